//! `declare_step!`: a step that is implemented elsewhere, as a type.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, FnArg, LitStr, ReturnType, Token, Visibility, parenthesized};

use super::options::Options;
use super::param::{self, Param, Source};
use super::parse::{Function, Handler};
use super::shape::Shape;
use super::{check, docs, expand, params};
use crate::errors::Errors;
use crate::{names, options, place};

const KNOWN: [&str; 4] = ["name", "namespace", "marker", "crate"];

const FORM: &str = "write `declare_step!(pub charge(order: Order) -> Charge, name = \"payments.charge\")`";

/// Of a step that is declared where it is implemented.
pub(super) const BOTH: &str = "this step is declared and implemented in one module: `declare_step!` is for steps that \
                               another crate or program implements, take it away";

/// Expands the macro.
pub(crate) fn declare_step(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(handler) = declared(input, &mut errors) else { return errors.to_tokens() };
    if expand::cfgs(&handler).is_none() && place::is_seen_as_other(handler.marker(), true) {
        errors.at(handler.marker(), BOTH);
        return errors.to_tokens();
    }
    check::of_declared(&handler, &mut errors);
    if errors.is_empty() { whole(&handler) } else { mistaken(&handler, &errors) }
}

/// What stands in the macro.
struct Tokens {
    attrs: Vec<Attribute>,
    vis: Visibility,
    ident: Ident,
    inputs: Punctuated<FnArg, Token![,]>,
    output: ReturnType,
    options: TokenStream,
}

impl Parse for Tokens {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        if input.peek(Token![async]) || input.peek(Token![fn]) {
            let message = format!("a declared step has no body here and is no function: {FORM}");
            return Err(syn::Error::new(input.span(), message));
        }
        let form =
            |error: syn::Error| syn::Error::new(error.span(), format!("a declared step has a name: {FORM}"));
        let ident: Ident = input.parse().map_err(form)?;
        if !input.peek(syn::token::Paren) {
            let message = format!("a declared step says what it takes and returns: {FORM}");
            return Err(syn::Error::new(input.span(), message));
        }
        let list;
        parenthesized!(list in input);
        let inputs = Punctuated::parse_terminated(&list)?;
        let output = input.parse()?;
        if input.peek(syn::token::Brace) {
            let message = "a declared step has no body here, whoever implements it has one: leave it out, or write a \
                           function with `#[step_handler]`";
            return Err(syn::Error::new(input.span(), message));
        }
        input.parse::<Option<Token![;]>>()?;
        if !input.is_empty() {
            let form = |error: syn::Error| syn::Error::new(error.span(), FORM);
            input.parse::<Token![,]>().map_err(form)?;
        }
        Ok(Self { attrs, vis, ident, inputs, output, options: input.parse()? })
    }
}

/// Reads the macro; `None` where the form is another.
fn declared(input: TokenStream, errors: &mut Errors) -> Option<Handler> {
    let Tokens { attrs, vis, ident, mut inputs, output, options } = errors.take(syn::parse2(input))?;
    let mut said = Options::default();
    for (key, meta) in options::read("`declare_step!`", options, &KNOWN, errors) {
        match key.as_str() {
            "name" => said.name = errors.take(super::options::name(&meta)),
            "namespace" => said.namespace = errors.take(options::namespace(&meta)),
            "marker" => said.marker = errors.take(options::ident(&meta, "marker = ChargeStep")),
            _ => said.krate = errors.take(options::path(&meta, "crate = my_crate::tasker_runtime")),
        }
    }
    split(&mut said);
    let typed = inputs.iter_mut().filter_map(|input| match input {
        FnArg::Typed(input) => Some(input),
        FnArg::Receiver(_) => None,
    });
    let params = typed.map(|input| param::read(input, errors)).collect();
    let sig = syn::parse_quote_spanned!(ident.span()=> async fn #ident(#inputs) #output);
    Some(Handler {
        function: Function { attrs, vis, sig, body: quote!({}) },
        options: said,
        capabilities: Vec::new(),
        api: None,
        shape: Shape::Plain,
        compensates: None,
        publishes: Vec::new(),
        params,
        method: None,
    })
}

/// A name that begins with a namespace is both, so that its step has the same name as that of the handler.
fn split(said: &mut Options) {
    let Some(name) = said.name.as_ref().filter(|_| said.namespace.is_none()) else { return };
    let (written, span) = (name.value(), name.span());
    let Some((namespace, name)) = written.rsplit_once('.') else { return };
    if names::template(namespace, "namespace").is_ok() && names::step(name, "name").is_ok() {
        said.namespace = Some(LitStr::new(namespace, span));
        said.name = Some(LitStr::new(name, span));
    }
}

/// What whoever implements the step sees to, and the declaration cannot know.
pub(super) fn takes_data(handler: &Handler, errors: &mut Errors) {
    for Param { source, ty } in &handler.params {
        let name = match source {
            Source::Step => Some("&TaskSequenceStep".to_owned()),
            Source::Type => param::extractor(ty),
            _ => None,
        };
        if let Some(name) = name {
            let message = format!(
                "a declared step says which data it takes, `{name}` is up to whoever implements it: leave it out"
            );
            errors.at(ty, message);
        }
    }
}

fn whole(handler: &Handler) -> TokenStream {
    docs::remember(handler);
    let marker = handler.marker();
    let alias = expand::alias(&handler.options);
    let (constants, context) = (params::params(handler), params::one_context(handler));
    let step_fn = step_fn(handler);
    let (marker_type, cfgs, lints) = (marker_type(handler), expand::cfgs(handler), expand::lints(handler));
    quote! {
        #marker_type
        #cfgs
        #lints
        const _: () = {
            #alias
            #constants
            #context
            #step_fn
            __tasker::inventory::submit! { __tasker::DeclaredStep::of::<#marker>() }
        };
    }
}

fn step_fn(handler: &Handler) -> TokenStream {
    let needs = params::needs(handler);
    let about = match &handler.options.namespace {
        Some(namespace) => quote!(
            const FACTS: __tasker::Facts = __tasker::Facts::new().namespace(#namespace).needs(Self::NEEDS);
        ),
        None => quote!(),
    };
    let about = quote! {
        const DECLARED: __tasker::bool = true;
        const NEEDS: &'static [__tasker::Need] = #needs;
        #about
    };
    let types = [params::context(handler), params::position(handler), params::inputs(handler)];
    let body = quote!(__tasker::not_here(step));
    expand::step_fn(handler, &handler.returns(), types, &about, &body)
}

fn mistaken(handler: &Handler, errors: &Errors) -> TokenStream {
    let (marker_type, alias) = (marker_type(handler), expand::alias(&handler.options));
    let unknown = [quote!(__tasker::NoContext), quote!(__tasker::AnyPosition), quote!(())];
    let returns = handler.returns();
    let unnamed = check::is_unnamed(&returns);
    let (named, errors) = errors.with_a_type(returns, unnamed);
    let step_fn = expand::step_fn(handler, &named, unknown, &quote!(), &quote!(__tasker::not_here(step)));
    quote! {
        #marker_type
        const _: () = {
            #alias
            #step_fn
        };
        #errors
    }
}

/// The type that the step is here.
fn marker_type(handler: &Handler) -> TokenStream {
    let Function { attrs, vis, sig, .. } = &handler.function;
    let marker = handler.marker();
    let documented = attrs.iter().any(|attribute| attribute.path().is_ident("doc"));
    let doc = (!documented).then(|| {
        let doc = format!("The step `{}`, which is implemented elsewhere.", sig.ident.unraw());
        quote!(#[doc = #doc])
    });
    let table = docs::of(handler);
    quote! {
        #doc
        #(#attrs)*
        #table
        #[allow(non_camel_case_types, dead_code, clippy::exhaustive_structs)]
        #vis struct #marker {}
    }
}
