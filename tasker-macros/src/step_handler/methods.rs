//! `#[step_handlers]`: methods of one type as handlers.
//!
//! The methods stay where they are. Beside the `impl` stands for each of them what stands beside a function, around
//! a function that takes the value as `State`.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{Attribute, FnArg, Generics, Meta, Receiver, Signature, Token, Type, Visibility, braced};

use super::parse::{Function, Handler};
use super::{arity, capability, check, docs, expand, parse, shape};
use crate::errors::Errors;

/// Where a handler stands that is a method.
pub(super) struct Method {
    /// The type whose method it is.
    owner: Type,
    /// Whether it takes `self`.
    has_self: bool,
}

impl Method {
    /// The function that calls it, which has its name and takes what it takes.
    pub(super) fn wrapper(&self, handler: &Handler) -> TokenStream {
        let Signature { ident, output, inputs, .. } = &handler.function.sig;
        let names = (0..inputs.len()).map(|index| format_ident!("__argument_{index}"));
        let types = inputs.iter().filter_map(|input| match input {
            FnArg::Typed(input) => Some(&input.ty),
            FnArg::Receiver(_) => None,
        });
        let params = names.clone().zip(types).map(|(name, ty)| quote!(#name: #ty));
        let arguments = names.enumerate().map(|(index, name)| match self.has_self && index == 0 {
            true => quote!(&#name),
            false => quote!(#name),
        });
        let owner = &self.owner;
        quote! {
            #[allow(non_snake_case, deprecated, clippy::too_many_arguments, clippy::unused_async)]
            async fn #ident(#(#params),*) #output {
                <#owner>::#ident(#(#arguments),*).await
            }
        }
    }
}

/// An `impl` whose bodies stay as they were written, finished or not.
struct Methods {
    attrs: Vec<Attribute>,
    before: TokenStream,
    generics: Generics,
    /// The trait, where it implements one.
    implemented: Option<TokenStream>,
    owner: Type,
    clause: TokenStream,
    items: Vec<Item>,
}

enum Item {
    Method(Box<Function>),
    Other(TokenStream),
}

impl Parse for Methods {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let unsafety: Option<Token![unsafe]> = input.parse()?;
        let keyword: Token![impl] = input.parse()?;
        let generics: Generics = if input.peek(Token![<]) { input.parse()? } else { Generics::default() };
        let mut owner: Type = input.parse()?;
        let mut implemented = None;
        if input.parse::<Option<Token![for]>>()?.is_some() {
            implemented = Some(owner.to_token_stream());
            owner = input.parse()?;
        }
        let mut clause = TokenStream::new();
        while !input.peek(syn::token::Brace) {
            clause.extend([input.parse::<TokenTree>()?]);
        }
        let body;
        braced!(body in input);
        let mut items = Vec::new();
        while !body.is_empty() {
            items.push(body.parse()?);
        }
        Ok(Self { attrs, before: quote!(#unsafety #keyword), generics, implemented, owner, clause, items })
    }
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        if let Ok(function) = ahead.call(method) {
            use syn::parse::discouraged::Speculative as _;
            input.advance_to(&ahead);
            return Ok(Self::Method(Box::new(function)));
        }
        let mut tokens = TokenStream::new();
        while !input.is_empty() {
            let token: TokenTree = input.parse()?;
            let ends = match &token {
                TokenTree::Punct(sign) => sign.as_char() == ';',
                TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                _ => false,
            };
            tokens.extend([token]);
            if ends {
                break;
            }
        }
        Ok(Self::Other(tokens))
    }
}

fn method(input: ParseStream<'_>) -> syn::Result<Function> {
    let attrs = input.call(Attribute::parse_outer)?;
    let (vis, sig): (Visibility, Signature) = (input.parse()?, input.parse()?);
    let body: Group = input.parse()?;
    if body.delimiter() != Delimiter::Brace {
        return Err(syn::Error::new(body.span(), "no body"));
    }
    Ok(Function { attrs, vis, sig, body: body.into_token_stream() })
}

const FORM: &str = "`#[step_handlers]` goes on an `impl` whose methods are handlers: `#[step_handlers] impl Shop { \
                    #[step_handler] async fn charge(&self, ..) }`";

/// Expands the attribute.
pub(crate) fn step_handlers(attribute: &TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    if !attribute.is_empty() {
        errors.at(
            attribute,
            "`#[step_handlers]` takes no options: each `#[step_handler(..)]` in it has its own",
        );
    }
    let methods = match syn::parse2::<Methods>(item.clone()) {
        Ok(methods) => methods,
        Err(error) => {
            // Half of an `impl` is the business of the compiler.
            let is_impl = item
                .clone()
                .into_iter()
                .any(|token| matches!(&token, TokenTree::Ident(word) if word == "impl"));
            errors.push(if is_impl { error } else { syn::Error::new(item.span(), FORM) });
            let errors = errors.to_tokens();
            return quote!(#item #errors);
        }
    };
    check_impl(&methods, &mut errors);
    let is_good = errors.is_empty();
    let Methods { attrs, before, generics, implemented, owner, clause, items } = &methods;
    let implemented = implemented.as_ref().map(|name| quote!(#name for));
    let cfgs: Vec<&Attribute> = attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect();
    let (mut inside, mut beside) = (TokenStream::new(), TokenStream::new());
    for item in items {
        match item {
            Item::Method(function) => match step_handler(function) {
                Some(at) if is_good => {
                    let (method, handler) = handler(owner, &cfgs, function, at);
                    inside.extend(method);
                    beside.extend(handler);
                }
                at => inside.extend(without(function, at)),
            },
            Item::Other(tokens) => inside.extend(tokens.clone()),
        }
    }
    let errors = errors.to_tokens();
    let (with_bounds, ..) = generics.split_for_impl();
    quote! {
        #(#attrs)*
        #before #with_bounds #implemented #owner #clause { #inside }
        #beside
        #errors
    }
}

fn check_impl(methods: &Methods, errors: &mut Errors) {
    if let Some(name) = &methods.implemented {
        errors.at(name, "`#[step_handlers]` goes on the methods of a type, not on those of a trait: write `impl Shop { .. }`");
    } else if !methods.generics.params.is_empty() {
        errors.at(
            &methods.generics,
            "a handler cannot be generic: one name stands for one function, write the types out",
        );
    } else if !methods
        .items
        .iter()
        .any(|item| matches!(item, Item::Method(function) if step_handler(function).is_some()))
    {
        errors.at(&methods.owner, "no method is a handler here: mark those that are with `#[step_handler]`");
    }
}

/// Which attribute of a method makes it a handler.
fn step_handler(function: &Function) -> Option<usize> {
    let is_handler = |attribute: &Attribute| {
        attribute.path().segments.last().is_some_and(|last| last.ident == "step_handler")
    };
    function.attrs.iter().position(is_handler)
}

/// A method as it was written, but for what makes it a handler.
fn without(function: &Function, at: Option<usize>) -> TokenStream {
    let mut attrs = function.attrs.clone();
    let Function { vis, body, .. } = function;
    let mut sig = function.sig.clone();
    if let Some(at) = at {
        attrs.remove(at);
        capability::take(&mut attrs);
        for input in &mut sig.inputs {
            if let FnArg::Typed(input) = input {
                input.attrs.retain(|attribute| {
                    !super::param::KNOWN.iter().any(|name| attribute.path().is_ident(name))
                });
            }
        }
    }
    quote!(#(#attrs)* #vis #sig #body)
}

/// The method without what makes it a handler, and the handler beside the `impl`.
fn handler(owner: &Type, cfgs: &[&Attribute], function: &Function, at: usize) -> (TokenStream, TokenStream) {
    let mut errors = Errors::default();
    let mut attrs = function.attrs.clone();
    let options = match attrs.remove(at).meta {
        Meta::List(list) => list.tokens,
        Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
    };
    let Function { vis, body, sig, .. } = function;
    let receiver = sig.receiver().cloned();
    if let Some(receiver) = receiver.as_ref().filter(|receiver| !is_shared(receiver)) {
        errors.at(receiver, "what handlers share is lent to them: write `&self`");
    }
    let mut free = replaced(sig, owner).unwrap_or_else(|| sig.clone());
    if receiver.is_some() {
        let state: FnArg = syn::parse_quote_spanned!(owner.span()=> __owner: __tasker::State<#owner>);
        if let Some(first) = free.inputs.first_mut() {
            *first = state;
        }
    }
    let item = quote!(#(#cfgs)* #(#attrs)* #vis #free #body);
    let Some(mut handler) = parse::handler(options, &item, &mut errors) else {
        let errors = errors.to_tokens();
        return (quote!(#(#attrs)* #vis #sig #body), errors);
    };
    handler.method = Some(Method { owner: owner.clone(), has_self: receiver.is_some() });
    let method = in_impl(&handler, sig, cfgs.len());
    check::all(&handler, &mut errors);
    let beside = match errors.is_empty() && !check::borrows(&handler.returns()) {
        true => expand::whole(&handler),
        false => expand::mistaken(&handler, &errors),
    };
    (method, beside)
}

fn is_shared(receiver: &Receiver) -> bool {
    receiver.mutability.is_none() && receiver.colon_token.is_none() && receiver.reference.is_some()
}

/// A signature with the type in place of `Self`.
fn replaced(sig: &Signature, owner: &Type) -> Option<Signature> {
    fn all(tokens: TokenStream, owner: &TokenStream) -> TokenStream {
        let one = |token| match token {
            TokenTree::Ident(ident) if ident == "Self" => quote_spanned!(ident.span()=> #owner),
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), all(group.stream(), owner));
                inner.set_span(group.span());
                inner.into_token_stream()
            }
            other => other.into_token_stream(),
        };
        tokens.into_iter().map(one).collect()
    }
    syn::parse2(all(sig.to_token_stream(), &owner.to_token_stream())).ok()
}

/// The method as it stays in its `impl`: its parameters without our attributes, and what its body begins with.
fn in_impl(handler: &Handler, sig: &Signature, cfgs: usize) -> TokenStream {
    let (body, vis) = (shape::body(handler), &handler.function.vis);
    let attrs = &handler.function.attrs[cfgs..];
    let mut sig = sig.clone();
    // The attributes of its own parameters are those that are left on the ones of the handler.
    for (own, read) in sig.inputs.iter_mut().zip(&handler.function.sig.inputs) {
        if let (FnArg::Typed(own), FnArg::Typed(read)) = (own, read) {
            own.attrs.clone_from(&read.attrs);
        }
    }
    // What is wrong with them is said of the handler.
    arity::signature(&mut sig, handler.options.krate.as_ref(), &mut Errors::default());
    let docs = docs::of(handler);
    quote!(#(#attrs)* #docs #[allow(clippy::unused_async, clippy::too_many_arguments)] #vis #sig #body)
}
