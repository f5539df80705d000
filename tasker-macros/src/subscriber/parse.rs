//! What the attribute says, and the rules it keeps.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{FnArg, LitBool, LitStr, Meta, Path, ReturnType, Token, Type};

use crate::errors::Errors;
use crate::step_handler::{Function, Retry, borrows, impl_trait, retry, subscriber_name, timeout};
use crate::{options, words};

const OWNER: &str = "`#[event_subscriber]`";

const KNOWN: [&str; 9] =
    ["name", "delivery", "concurrency", "retry", "timeout", "from", "ordered", "namespaces", "crate"];

/// What a fast subscriber has no use for.
const DURABLE_ONLY: [&str; 3] = ["retry", "from", "ordered"];

/// A function that subscribes to events.
pub(super) struct Subscriber {
    pub(super) function: Function,
    pub(super) patterns: Vec<LitStr>,
    pub(super) name: String,
    pub(super) fast: bool,
    pub(super) concurrency: Option<u32>,
    pub(super) retry: Retry,
    /// In milliseconds.
    pub(super) timeout: Option<u64>,
    pub(super) from_start: bool,
    pub(super) unordered: bool,
    pub(super) namespaces: Vec<LitStr>,
    pub(super) krate: Option<Path>,
    /// The types of the parameters.
    pub(super) params: Vec<Type>,
}

impl Subscriber {
    /// The return type as it is written, `()` where none is.
    pub(super) fn returns(&self) -> Type {
        match &self.function.sig.output {
            ReturnType::Type(_, returns) => (**returns).clone(),
            ReturnType::Default => syn::parse_quote_spanned!(self.function.sig.ident.span()=> ()),
        }
    }
}

/// The patterns, and what follows them.
struct Arguments {
    patterns: Vec<LitStr>,
    options: TokenStream,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut patterns = Vec::new();
        while input.peek(LitStr) {
            patterns.push(input.parse()?);
            if input.is_empty() {
                break;
            }
            input.parse::<Token![,]>()?;
        }
        Ok(Self { patterns, options: input.parse()? })
    }
}

/// Reads a subscriber; `None` where the item is no function.
pub(super) fn subscriber(
    attribute: TokenStream,
    item: &TokenStream,
    errors: &mut Errors,
) -> Option<Subscriber> {
    let arguments = Arguments::parse.parse2(attribute);
    let Arguments { patterns, options } =
        errors.take(arguments).unwrap_or(Arguments { patterns: Vec::new(), options: TokenStream::new() });
    let function = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let other = syn::parse2::<syn::Item>(item.clone()).ok();
            let message = "`#[event_subscriber]` goes on an `async fn`";
            errors.push(other.map_or(error, |other| syn::Error::new(other.span(), message)));
            return None;
        }
    };
    let mut subscriber = Subscriber {
        name: function.sig.ident.unraw().to_string(),
        params: Vec::new(),
        function,
        patterns,
        fast: false,
        concurrency: None,
        retry: Retry::default(),
        timeout: None,
        from_start: false,
        unordered: false,
        namespaces: Vec::new(),
        krate: None,
    };
    let given = options::read(OWNER, options, &KNOWN, errors);
    read(&mut subscriber, &given, errors);
    if subscriber.fast {
        for (key, meta) in given.iter().filter(|(key, _)| DURABLE_ONLY.contains(&&**key)) {
            let message = format!(
                "a fast subscriber hears each event at most once, in the process that publishes it: leave out `{key}`"
            );
            errors.at(meta.path(), message);
        }
    }
    check_patterns(&subscriber, errors);
    check_function(&mut subscriber, errors);
    Some(subscriber)
}

fn read(subscriber: &mut Subscriber, given: &[(String, Meta)], errors: &mut Errors) {
    for (key, meta) in given {
        match &**key {
            "name" => {
                if let Some(name) = errors.take(subscriber_name(meta)) {
                    subscriber.name = name.value();
                }
            }
            "delivery" => {
                let word = word(meta, "delivery", ["durable", "fast"]);
                subscriber.fast = errors.take(word).unwrap_or_default();
            }
            "concurrency" => {
                let number = options::number(meta, "concurrency = 8", 1..=10_000);
                subscriber.concurrency = errors.take(number);
            }
            "retry" => subscriber.retry = retry(meta, errors),
            "timeout" => subscriber.timeout = errors.take(timeout(meta)),
            "from" => {
                subscriber.from_start = errors.take(word(meta, "from", ["now", "start"])).unwrap_or_default();
            }
            "ordered" => subscriber.unordered = errors.take(bool(meta)).is_some_and(|ordered| !ordered),
            "namespaces" => subscriber.namespaces = errors.take(namespaces(meta)).unwrap_or_default(),
            _ => subscriber.krate = errors.take(options::path(meta, "crate = my_crate::tasker_runtime")),
        }
    }
}

/// Which of two words is written: whether it is the second.
fn word(meta: &Meta, key: &str, known: [&str; 2]) -> syn::Result<bool> {
    let text = options::text(meta, &format!("{key} = \"{}\"", known[1]))?;
    let written = text.value();
    if known.contains(&&*written) {
        return Ok(written == known[1]);
    }
    let instead = words::instead(&written, &known);
    Err(syn::Error::new_spanned(text, format!("`{key}` cannot be `{written}`: {instead}")))
}

fn bool(meta: &Meta) -> syn::Result<bool> {
    const EXAMPLE: &str = "ordered = false";
    let value = options::value(meta, EXAMPLE)?;
    let read = syn::parse2::<LitBool>(quote::ToTokens::to_token_stream(value));
    let read =
        read.map_err(|_| syn::Error::new_spanned(value, format!("expected true or false: `{EXAMPLE}`")))?;
    Ok(read.value)
}

/// `namespaces = ["shop", "billing"]`.
fn namespaces(meta: &Meta) -> syn::Result<Vec<LitStr>> {
    const EXAMPLE: &str = "namespaces = [\"shop\"]";
    let value = options::value(meta, EXAMPLE)?;
    let syn::Expr::Array(array) = value else {
        return Err(syn::Error::new_spanned(value, format!("expected a list of names: `{EXAMPLE}`")));
    };
    let texts = quote::ToTokens::to_token_stream(&array.elems);
    let texts = Punctuated::<LitStr, Token![,]>::parse_terminated.parse2(texts);
    let texts = texts
        .map_err(|error| syn::Error::new(error.span(), format!("expected a list of names: `{EXAMPLE}`")))?;
    if texts.is_empty() {
        let message = "without a namespace it hears nothing: name one, or leave the option out";
        return Err(syn::Error::new_spanned(array, message));
    }
    for text in &texts {
        crate::names::template(&text.value(), "namespace")
            .map_err(|message| syn::Error::new_spanned(text, message))?;
    }
    Ok(texts.into_iter().collect())
}

fn check_patterns(subscriber: &Subscriber, errors: &mut Errors) {
    if subscriber.patterns.is_empty() && errors.is_empty() {
        let message = "say which events it hears: `#[event_subscriber(\"payment.*\")]`";
        errors.at_span(proc_macro2::Span::call_site(), message);
    }
    let mut seen: Vec<String> = Vec::new();
    for pattern in &subscriber.patterns {
        let text = pattern.value();
        if let Some(problem) = tasker_template::event_pattern_problem(&text) {
            errors.at(pattern, problem);
        } else if seen.contains(&text) {
            errors.at(pattern, format!("the pattern `{text}` is given twice: keep one"));
        }
        seen.push(text);
    }
}

fn check_function(subscriber: &mut Subscriber, errors: &mut Errors) {
    let sig = &subscriber.function.sig;
    for attribute in &subscriber.function.attrs {
        let is = |name: &str| {
            attribute.path().segments.last().is_some_and(|last: &syn::PathSegment| last.ident == name)
        };
        if is("event_subscriber") {
            errors.at(attribute, "`#[event_subscriber]` is given twice: keep one, with the patterns of both");
        } else if is("step_handler") {
            errors.at(attribute, "a function is a step or hears events: write one function for each");
        } else if is("publishes") {
            errors.at(attribute, "only steps publish events: a subscriber can submit a task that does");
        }
    }
    if sig.asyncness.is_none() {
        errors.at(sig.fn_token, format!("a subscriber must be async: write `async fn {}`", sig.ident));
    }
    if !sig.generics.params.is_empty() {
        let message = "a subscriber cannot be generic: one name stands for one function, write the types out";
        errors.at(&sig.generics, message);
    }
    if let Some(keyword) = &sig.unsafety {
        errors.at(keyword, "a subscriber cannot be `unsafe`: nobody could promise what it asks for");
    }
    for input in &sig.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                let message = "a subscriber has no `self`: make it a free function that takes what it shares as `State<T>`";
                errors.at(receiver, message);
            }
            FnArg::Typed(param) => {
                if let Some(attribute) = param.attrs.first() {
                    let message = "a subscriber reads no steps: it takes `Event<T>`, `State<T>`, `Attempt`, `Cancelled`";
                    errors.at(attribute, message);
                } else if let Some(found) = impl_trait(&param.ty) {
                    errors.at(found, "say which type it takes: `Event<T>` with a type that has a name");
                } else if borrows(&param.ty) {
                    errors.at(&param.ty, "a subscriber owns what it takes: leave out the reference");
                }
                subscriber.params.push((*param.ty).clone());
            }
        }
    }
    let returns = subscriber.returns();
    if impl_trait(&returns).is_some() && subscriber.function.sig.asyncness.is_some() {
        errors.at(&returns, "a subscriber returns `()` or `Result<(), E>`");
    }
}

/// The type beside the function.
pub(super) fn marker(subscriber: &Subscriber) -> &Ident {
    &subscriber.function.sig.ident
}
