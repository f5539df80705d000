//! `#[publishes("payment.processed", on = "success", delivery = "durable")]`: the handler publishes an event.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{LitStr, Meta, Token, Type};

use super::capability::Capability;
use super::param::Source;
use super::params::is_one_of;
use super::parse::Handler;
use super::shape::is_ours;
use crate::errors::Errors;
use crate::{options, words};

const KNOWN: [&str; 2] = ["on", "delivery"];

const ON: [(&str, &str); 5] = [
    ("success", "Success"),
    ("failure", "Failure"),
    ("retryable_failure", "RetryableFailure"),
    ("permanent_failure", "PermanentFailure"),
    ("always", "Always"),
];

const DELIVERY: [(&str, &str); 3] = [("durable", "Durable"), ("fast", "Fast"), ("broadcast", "Broadcast")];

/// How many events a handler may publish.
const MAX_EVENTS: usize = 20;

/// One event.
pub(super) struct Publish {
    name: LitStr,
    /// The variant of the condition.
    on: Ident,
    /// The variant of the delivery.
    delivery: Ident,
}

/// The name, and what follows it.
struct Arguments {
    name: LitStr,
    options: TokenStream,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        Ok(Self { name, options: input.parse()? })
    }
}

/// The events that the attributes say; what is wrong with them is a mistake.
pub(super) fn read(capabilities: &[Capability], errors: &mut Errors) -> Vec<Publish> {
    const FORM: &str = "name one event first: `#[publishes(\"payment.processed\")]`";
    let mut events: Vec<Publish> = Vec::new();
    let attributes = capabilities.iter().filter(|capability| capability.name == "publishes");
    for Capability { attribute, .. } in attributes {
        let arguments = match &attribute.meta {
            Meta::List(list) => list.parse_args::<Arguments>().ok(),
            _ => None,
        };
        let Some(Arguments { name, options }) = arguments else {
            match named(attribute) {
                Some(name) => {
                    let message =
                        format!("the name of an event stands first, without a key: `#[publishes({name})]`");
                    errors.at(attribute, message);
                }
                None => errors.at(attribute, FORM),
            }
            continue;
        };
        if let Some(problem) = tasker_template::event_name_problem(&name.value()) {
            errors.at(&name, problem.message);
        }
        let mut on = Ident::new("Success", name.span());
        let mut delivery = Ident::new("Durable", name.span());
        for (key, meta) in options::read("`#[publishes]`", options, &KNOWN, errors) {
            let found = match key.as_str() {
                "on" => word(&meta, "on = \"success\"", "condition", &ON).map(|word| on = word),
                _ => word(&meta, "delivery = \"durable\"", "delivery", &DELIVERY).map(|word| delivery = word),
            };
            errors.take(found);
        }
        let event = Publish { name, on, delivery };
        if events.iter().any(|other| other.name.value() == event.name.value() && other.on == event.on) {
            let (name, on) = (event.name.value(), event.word());
            errors.at(&event.name, format!("the event `{name}` is published on `{on}` twice: keep one"));
        } else if events.len() == MAX_EVENTS {
            errors.at(attribute, format!("a handler publishes at most {MAX_EVENTS} events"));
        } else {
            events.push(event);
        }
    }
    events
}

/// The name of an event after a key that it does not have.
fn named(attribute: &syn::Attribute) -> Option<String> {
    let Meta::List(list) = &attribute.meta else { return None };
    let pair = list.parse_args_with(|input: ParseStream<'_>| {
        let key: Ident = input.call(syn::ext::IdentExt::parse_any)?;
        input.parse::<syn::Token![=]>()?;
        let name: LitStr = input.parse()?;
        input.parse::<proc_macro2::TokenStream>()?;
        Ok((key, name))
    });
    let (key, name) = pair.ok()?;
    let is_name = ["name", "event", "topic", "kind"].iter().any(|word| key == word);
    is_name.then(|| format!("{:?}", name.value()))
}

impl Publish {
    /// The condition as it is written.
    fn word(&self) -> &'static str {
        ON.iter().find(|(_, variant)| self.on == variant).map_or("success", |(word, _)| word)
    }
}

/// The variant that a word stands for.
fn word(meta: &Meta, example: &str, what: &str, known: &[(&str, &str)]) -> syn::Result<Ident> {
    let text = options::text(meta, example)?;
    let written = text.value();
    match known.iter().find(|(word, _)| *word == written) {
        Some((_, variant)) => Ok(Ident::new(variant, text.span())),
        None => {
            let all: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            let message = format!("there is no {what} `{written}`: {}", words::instead(&written, &all));
            Err(syn::Error::new_spanned(text, message))
        }
    }
}

/// Only a handler that publishes events says anything about them.
pub(super) fn check(handler: &Handler, errors: &mut Errors) {
    let is_events = |ty: &Type| is_one_of(ty, &["Events"]) && is_ours(ty);
    let by_type = handler.params.iter().filter(|param| matches!(param.source, Source::Type));
    let publishes = handler.capabilities.iter().any(|capability| capability.name == "publishes");
    for param in by_type.filter(|param| is_events(&param.ty) && !publishes) {
        let message = "a handler that takes `Events` says which it publishes: add `#[publishes(\"payment.processed\")]`";
        errors.at(&param.ty, message);
    }
}

/// What the facts say.
pub(super) fn fact(handler: &Handler) -> Option<TokenStream> {
    let events = handler.publishes.iter().map(|Publish { name, on, delivery }| {
        // Names of the engine's own, wherever the words are written.
        let (on, delivery) = (plain(on), plain(delivery));
        quote!(__tasker::Publish::new(#name, __tasker::EventCondition::#on, __tasker::DeliveryMode::#delivery))
    });
    (!handler.publishes.is_empty()).then(|| quote!(.publishes(&[#(#events),*])))
}

fn plain(ident: &Ident) -> Ident {
    Ident::new(&ident.to_string(), proc_macro2::Span::call_site())
}
