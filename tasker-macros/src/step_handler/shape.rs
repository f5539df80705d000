//! What an exclusive capability says about the result of a handler: `#[decision]`, `#[batch_analyzer]`,
//! `#[batch_worker]`.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{FnArg, Meta, Pat, Path, Token, Type};

use super::capability::Capability;
use super::param::{Param, Source};
use super::parse::Handler;
use crate::errors::Errors;
use crate::{options, runtime, words};

/// What a handler returns besides data.
#[derive(Default)]
pub(super) enum Shape {
    /// Nothing.
    #[default]
    Plain,
    /// Which of these handlers' steps are taken.
    Decision(Vec<Path>),
    /// Which steps are taken, as an enum says it.
    Choice,
    /// The batches of this worker; `None` where it is not said.
    Analyzer(Option<Path>),
    /// What came of one batch.
    Worker,
    /// A result, or the state of the next round.
    Looped,
}

/// What a handler returns that has this return type, where its attributes say nothing.
pub(super) fn of_type(shape: Shape, returns: &Type) -> Shape {
    match shape {
        Shape::Plain if is_loop(super::results::output(returns)) => Shape::Looped,
        shape => shape,
    }
}

/// Whether a type is called as what goes round.
fn is_loop(output: &Type) -> bool {
    name_of(output).as_deref() == Some("Loop") && is_ours(output)
}

/// Reads the capability attributes.
pub(super) fn read(capabilities: &[Capability], errors: &mut Errors) -> Shape {
    let found = capabilities.iter().find_map(|capability| match capability.name {
        "decision" if matches!(capability.attribute.meta, Meta::Path(_)) => Some(Shape::Choice),
        "decision" => Some(Shape::Decision(routes(capability, errors))),
        "batch_analyzer" => Some(Shape::Analyzer(worker(capability, errors))),
        "batch_worker" => {
            if !matches!(capability.attribute.meta, Meta::Path(_)) {
                errors.at(&capability.attribute, "`#[batch_worker]` takes no options");
            }
            Some(Shape::Worker)
        }
        _ => None,
    });
    found.unwrap_or_default()
}

/// What stands in the parentheses of an attribute.
fn arguments(capability: &Capability) -> TokenStream {
    match &capability.attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    }
}

/// `routes = [path, path]`; without a key where only the paths are there.
struct Routes {
    key: Option<syn::Ident>,
    routes: Punctuated<Path, Token![,]>,
}

impl Parse for Routes {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek2(Token![=]) {
            let routes = Punctuated::parse_terminated_with(input, Path::parse_mod_style)?;
            return Ok(Self { key: None, routes });
        }
        let key = input.parse()?;
        input.parse::<Token![=]>()?;
        let list;
        syn::bracketed!(list in input);
        let routes = Punctuated::parse_terminated_with(&list, Path::parse_mod_style)?;
        input.parse::<Option<Token![,]>>()?;
        Ok(Self { key: Some(key), routes })
    }
}

const LIST: &str = "list the steps it chooses from: `#[decision(routes = [approve, reject])]`";

fn routes(capability: &Capability, errors: &mut Errors) -> Vec<Path> {
    let routes = match syn::parse2::<Routes>(arguments(capability)) {
        Ok(Routes { key, routes }) if !routes.is_empty() => {
            // Whatever is wrong with the key, the body may name the routes.
            match key {
                Some(key) if key == "routes" => {}
                Some(key) => {
                    let instead = words::instead(&key.to_string(), &["routes"]);
                    errors.at(&key, format!("`#[decision]` has no option `{key}`: {instead}"));
                }
                None => errors.at(&capability.attribute, LIST),
            }
            routes
        }
        _ => {
            errors.at(&capability.attribute, LIST);
            return Vec::new();
        }
    };
    let mut read: Vec<Path> = Vec::new();
    for route in routes {
        if read.contains(&route) {
            errors.at(&route, format!("route `{}` is listed twice: keep one", last(&route)));
        } else {
            read.push(route);
        }
    }
    read
}

fn worker(capability: &Capability, errors: &mut Errors) -> Option<Path> {
    const EXAMPLE: &str = "worker = process_batch";
    let options = options::read("`#[batch_analyzer]`", arguments(capability), &["worker"], errors);
    match options.first() {
        Some((_, meta)) => errors.take(options::path(meta, EXAMPLE)),
        None => {
            // With another mistake in the parentheses, that one says enough.
            if arguments(capability).is_empty() {
                let message =
                    format!("name the handler that works on a batch: `#[batch_analyzer({EXAMPLE})]`");
                errors.at(&capability.attribute, message);
            }
            None
        }
    }
}

fn last(path: &Path) -> String {
    path.segments.last().map(|last| last.ident.unraw().to_string()).unwrap_or_default()
}

/// Checks what can be seen without knowing types.
pub(super) fn check(handler: &Handler, errors: &mut Errors) {
    let has = |name: &str| handler.capabilities.iter().any(|capability| capability.name == name);
    for Param { source, ty } in &handler.params {
        if let (Source::Type, Some(name)) = (source, name_of(ty))
            && matches!(name.as_str(), "Cursor" | "Checkpoint")
            && !has("batch_worker")
            && is_ours(ty)
        {
            let message = format!(
                "`{name}` belongs to a batch: add `#[batch_worker]` to the handler, or write `self::{name}` \
                 where it is a type of your own"
            );
            errors.at(ty, message);
        }
    }
    let returns = handler.returns();
    let output = super::results::output(&returns);
    rounds(handler, output, errors);
    let decision = handler.capabilities.iter().find(|capability| capability.name == "decision");
    let ours = name_of(output).filter(|_| is_ours(output));
    if let (Shape::Choice, Some("Decision"), Some(decision)) = (&handler.shape, ours.as_deref(), decision) {
        errors.at(&decision.attribute, LIST);
    }
    let missing = match ours.as_deref() {
        Some("Decision") if !has("decision") => {
            "`Decision` chooses among steps: add `#[decision(routes = [..])]` to the handler, or write \
             `self::Decision` where it is a type of your own"
        }
        Some("BatchPlan") if !has("batch_analyzer") => {
            "`BatchPlan` cuts batches: add `#[batch_analyzer(worker = ..)]` to the handler, or write \
             `self::BatchPlan` where it is a type of your own"
        }
        _ => "",
    };
    if !missing.is_empty() {
        errors.at(output, missing);
    }
    itself(handler, errors);
}

/// What goes round says so by what it returns, and does nothing else.
fn rounds(handler: &Handler, output: &Type, errors: &mut Errors) {
    let looped = matches!(handler.shape, Shape::Looped);
    if !looped && is_loop(output) {
        let message = match handler.shape {
            Shape::Worker => {
                "a batch worker is called once for its batch: save how far it got with `Checkpoint`"
            }
            _ => "only a plain step goes round: return the `Loop` from a step before this one",
        };
        return errors.at(output, message);
    }
    if looped && handler.compensates.is_some() {
        let message = "what compensates a step is called once: return what it did, and a retryable error to be called again";
        return errors.at(output, message);
    }
    if looped {
        return;
    }
    for param in handler.params.iter().filter(|param| is_round(param)) {
        let message = "`Round` belongs to a step that goes round: return `Loop<State, T>`, or write `self::Round` where \
                       it is a type of your own";
        errors.at(&param.ty, message);
    }
    if let Some(most) = &handler.options.max_rounds {
        let message = "`max_rounds` belongs to a step that goes round: return `Loop<State, T>`";
        errors.push(syn::Error::new(most.1, message));
    }
}

fn itself(handler: &Handler, errors: &mut Errors) {
    let (paths, verb): (&[Path], _) = match &handler.shape {
        Shape::Decision(routes) => (routes, "route to"),
        Shape::Analyzer(Some(worker)) => (std::slice::from_ref(worker), "cut batches for"),
        _ => return,
    };
    for path in paths {
        if path.get_ident().is_some_and(|ident| ident.unraw() == handler.marker().unraw()) {
            errors.at(path, format!("step `{}` cannot {verb} itself", handler.name()));
        }
    }
}

/// Whether a type of the name of one of ours can be that: a path to somewhere else leads to the user's own.
pub(super) fn is_ours(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    let mut names = path.path.segments.iter().map(|segment| &segment.ident).rev();
    names
        .nth(1)
        .is_none_or(|module| ["tasker_runtime", "handler", "prelude"].iter().any(|ours| module == ours))
}

/// The last name of a type's path.
fn name_of(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}

/// The body of the function. That of a decision begins with a value for each route; a parameter of the same
/// name stays.
pub(super) fn body(handler: &Handler) -> TokenStream {
    let body = &handler.function.body;
    let Shape::Decision(routes) = &handler.shape else { return body.clone() };
    let tasker = runtime::path(handler.options.krate.as_ref());
    let taken = |name: &syn::Ident| {
        handler.function.sig.inputs.iter().any(|input| match input {
            FnArg::Typed(input) => matches!(&*input.pat, Pat::Ident(pattern) if pattern.ident == *name),
            FnArg::Receiver(_) => false,
        })
    };
    let marker = handler.marker();
    let values = routes.iter().enumerate().filter_map(|(index, route)| {
        let name = &route.segments.last()?.ident;
        (!taken(name)).then(|| {
            quote! {
                #[allow(unused_variables, non_snake_case)]
                let #name = #tasker::__private::Route::of::<#marker>(#index);
            }
        })
    });
    let values: TokenStream = values.collect();
    let mut tokens = body.clone().into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Group(block)), None) => {
            let inner = block.stream();
            let mut filled = Group::new(block.delimiter(), quote!(#values #inner));
            filled.set_span(block.span());
            filled.into_token_stream()
        }
        _ => body.clone(),
    }
}

/// The end of a call: what makes the result of what was returned.
pub(super) fn finish(handler: &Handler, how: &TokenStream, own: &TokenStream) -> TokenStream {
    let returns = handler.returns();
    let (span, marker) = (super::results::suspect(&returns).span(), handler.marker());
    let finish = match &handler.shape {
        Shape::Decision(_) => quote_spanned!(span=> __tasker::decision_result::<#how, #own, _, _>),
        Shape::Choice => quote_spanned!(span=> __tasker::choice_result::<#how, #own, _, _>),
        Shape::Analyzer(worker) => {
            let worker = worker.as_ref().map_or_else(|| quote!(#marker), |worker| quote!((#worker)));
            quote_spanned!(span=> __tasker::plan_result::<#how, #own, _, _, #worker>)
        }
        Shape::Looped => {
            let round = handler.params.iter().find(|param| is_round(param));
            let carried = round.map_or_else(
                || quote!(true),
                |Param { ty, .. }| quote!({ use __tasker::Fallback as _; __tasker::Carryable::<#ty>::YES }),
            );
            quote_spanned!(span=> __tasker::LoopEnd::<#carried>::loop_result::<#how, #own, _, _>)
        }
        Shape::Plain | Shape::Worker => quote_spanned!(span=> __tasker::step_result::<#how, #own, _, _>),
    };
    if !handler.options.permanent {
        return finish;
    }
    match handler.shape {
        Shape::Decision(_) | Shape::Choice | Shape::Analyzer(_) | Shape::Looped => {
            quote_spanned!(span=> |step, returned| __tasker::permanent(#finish(step, returned)))
        }
        Shape::Plain | Shape::Worker => {
            quote_spanned!(span=> |returned| __tasker::permanent(#finish(returned)))
        }
    }
}

/// What the facts say of it; `how` is what its return type is taken as.
pub(super) fn facts(shape: &Shape, how: &TokenStream) -> Option<TokenStream> {
    match shape {
        Shape::Choice => Some(quote!(.decision({
            use __tasker::NoRoutes as _;
            __tasker::RoutesOf::<<__Return as __tasker::StepReturn<#how>>::Output>::ROUTES
        }))),
        Shape::Plain | Shape::Analyzer(None) | Shape::Looped => None,
        Shape::Decision(routes) => Some(quote!(.decision(&[#(<(#routes) as __tasker::StepFn>::NAME),*]))),
        Shape::Analyzer(Some(worker)) => Some(quote!(.batch_analyzer(<(#worker) as __tasker::StepFn>::NAME))),
        Shape::Worker => Some(quote!(.batch_worker())),
    }
}

/// The capability's trait, and what is checked of types.
pub(super) fn items(handler: &Handler) -> Option<TokenStream> {
    let marker = handler.marker();
    let capable = match &handler.shape {
        Shape::Plain => return None,
        Shape::Looped => return Some(carries(handler)),
        Shape::Decision(routes) => quote! {
            impl __tasker::DecisionCapable for #marker {
                fn routes(&self) -> &'static [&'static __tasker::core::primitive::str] {
                    &[#(<(#routes) as __tasker::StepFn>::NAME),*]
                }
            }
        },
        Shape::Choice => quote! {
            impl __tasker::DecisionCapable for #marker {
                fn routes(&self) -> &'static [&'static __tasker::core::primitive::str] {
                    __tasker::routes_of::<#marker>()
                }
            }
        },
        Shape::Analyzer(_) | Shape::Worker => quote!(impl __tasker::BatchableCapable for #marker {}),
    };
    let name = handler.name();
    let worker = match &handler.shape {
        Shape::Analyzer(Some(worker)) => {
            quote_spanned!(worker.span()=> const _: () = __tasker::is_worker::<(#worker)>(#name);)
        }
        _ => quote!(),
    };
    let takes = if matches!(handler.shape, Shape::Worker) { takes_its_batch(handler) } else { quote!() };
    Some(quote!(#capable #worker #takes))
}

/// A round has the state of its loop.
fn carries(handler: &Handler) -> TokenStream {
    let rounds = handler.params.iter().filter(|param| is_round(param));
    let how = super::expand::how(&handler.returns());
    let checks = rounds.map(|Param { ty, .. }| {
        quote_spanned! {ty.span()=>
            const _: () = __tasker::carries::<#ty, <__Return as __tasker::StepReturn<#how>>::Output>();
        }
    });
    checks.collect()
}

fn is_round(param: &Param) -> bool {
    matches!(param.source, Source::Type)
        && name_of(&param.ty).as_deref() == Some("Round")
        && is_ours(&param.ty)
}

/// A worker takes its batch, unless it takes the whole step.
fn takes_its_batch(handler: &Handler) -> TokenStream {
    if handler.params.iter().any(|param| matches!(param.source, Source::Step)) {
        return quote!();
    }
    let (name, marker) = (handler.name(), handler.marker());
    let needs = quote!(<#marker as __tasker::StepFn>::NEEDS);
    let span = handler.function.sig.ident.span().resolved_at(Span::call_site());
    quote_spanned!(span=> const _: () = __tasker::takes_its_batch(#name, #needs);)
}
