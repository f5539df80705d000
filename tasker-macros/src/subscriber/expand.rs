//! From a subscriber to code.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Meta;
use syn::spanned::Spanned as _;

use super::parse::{self, Subscriber};
use crate::errors::Errors;
use crate::runtime;
use crate::step_handler::{Function, how, own_error};

/// The code of a subscriber that keeps all rules.
pub(super) fn whole(subscriber: &Subscriber) -> TokenStream {
    let (function, marker) = (function(subscriber), marker(subscriber));
    let (ident, cfgs, lints) = (parse::marker(subscriber), cfgs(subscriber), lints(subscriber));
    let tasker = alias(subscriber);
    let implementation = implementation(subscriber);
    quote! {
        #function
        #marker
        #(#cfgs)*
        #lints
        const _: () = {
            #tasker
            #implementation
            __tasker::inventory::submit! { __tasker::LinkedSubscriber(__tasker::subscriber::<#ident>) }
        };
    }
}

/// The function and the type beside it, and the mistakes.
pub(super) fn mistaken(subscriber: &Subscriber, errors: &Errors) -> TokenStream {
    let (function, errors) = (function(subscriber), errors.to_tokens());
    if subscriber.function.sig.receiver().is_some() {
        // Inside an `impl` no type can stand beside it.
        return quote!(#function #errors);
    }
    let (marker, ident) = (marker(subscriber), parse::marker(subscriber));
    let tasker = alias(subscriber);
    let name = &subscriber.name;
    quote! {
        #function
        #marker
        const _: () = {
            #tasker
            impl __tasker::EventSubscriber for #ident {
                const SPEC: __tasker::SubscriberSpec = __tasker::SubscriberSpec::new(#name, &[], &[], __tasker::here());
                fn call(_: __tasker::Heard) -> __tasker::Hearing {
                    __tasker::never_heard()
                }
            }
        };
        #errors
    }
}

fn alias(subscriber: &Subscriber) -> TokenStream {
    let krate = runtime::path(subscriber.krate.as_ref());
    quote! {
        #[allow(unused_imports)]
        use #krate::__private as __tasker;
    }
}

/// The function as it was written.
fn function(subscriber: &Subscriber) -> TokenStream {
    let Function { attrs, vis, sig, body } = &subscriber.function;
    let doubled = |attribute: &&syn::Attribute| {
        let last = attribute.path().segments.last();
        !last.is_some_and(|last| {
            ["event_subscriber", "step_handler", "publishes"].iter().any(|ours| last.ident == ours)
        })
    };
    let attrs = attrs.iter().filter(doubled);
    let mut sig = sig.clone();
    for input in &mut sig.inputs {
        if let syn::FnArg::Typed(param) = input {
            param.attrs.clear();
        }
    }
    quote!(#(#attrs)* #[allow(clippy::unused_async, clippy::too_many_arguments)] #vis #sig #body)
}

/// The type beside the function, by which lists name it.
fn marker(subscriber: &Subscriber) -> TokenStream {
    let vis = &subscriber.function.vis;
    let mut marker = parse::marker(subscriber).clone();
    marker.set_span(marker.span().resolved_at(Span::call_site()));
    let cfgs = cfgs(subscriber);
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, clippy::exhaustive_structs)]
        #vis struct #marker {}
    }
}

fn cfgs(subscriber: &Subscriber) -> Vec<&syn::Attribute> {
    subscriber.function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect()
}

/// What the function allows, the code beside it may do as well.
fn lints(subscriber: &Subscriber) -> TokenStream {
    let allowed = subscriber.function.attrs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("allow") || list.path.is_ident("expect") => {
            let lints = &list.tokens;
            Some(quote!(#[allow(#lints)]))
        }
        meta if meta.path().is_ident("deprecated") => Some(quote!(#[allow(deprecated)])),
        _ => None,
    });
    allowed.collect()
}

fn implementation(subscriber: &Subscriber) -> TokenStream {
    let ident = parse::marker(subscriber);
    let spec = spec(subscriber);
    let returns = subscriber.returns();
    let (how, own) = (how(&returns), own_error(&returns));
    // With the place of each type, where what is wrong with it is shown.
    let arguments = subscriber
        .params
        .iter()
        .map(|ty| quote_spanned!(ty.span()=> <#ty as __tasker::FromEvent>::from_event(&heard)?));
    let place = ident.span().resolved_at(Span::call_site());
    let lent = if subscriber.params.is_empty() { quote!(_) } else { quote!(heard) };
    let finish = quote_spanned!(returns.span()=> __tasker::heard::<#how, { #own }, _, _>);
    let call = quote_spanned! {place=>
        __tasker::hearing(async move {
            let #lent = heard;
            #finish(#ident(#(#arguments),*).await)
        })
    };
    quote! {
        type __Return = #returns;
        impl __tasker::EventSubscriber for #ident {
            const SPEC: __tasker::SubscriberSpec = #spec;
            fn call(heard: __tasker::Heard) -> __tasker::Hearing {
                #call
            }
        }
    }
}

/// What the attribute says, as a constant.
fn spec(subscriber: &Subscriber) -> TokenStream {
    let Subscriber { name, patterns, params, concurrency, retry, timeout, namespaces, .. } = subscriber;
    let here = quote_spanned!(parse::marker(subscriber).span()=> __tasker::here());
    let needs = params.iter().map(|ty| quote_spanned!(ty.span()=> <#ty as __tasker::FromEvent>::NEEDS));
    let mut said = Vec::new();
    let mut say = |option: Option<TokenStream>| said.extend(option);
    say(subscriber.fast.then(|| quote!(.fast())));
    say(concurrency.map(|number| quote!(.concurrency(#number))));
    say(retry.max_attempts.map(|number| quote!(.attempts(#number))));
    say(retry.backoff.as_ref().map(|word| {
        let word = Ident::new(&word.to_string(), Span::call_site());
        quote!(.backoff(__tasker::Backoff::#word))
    }));
    say(retry.base.map(|millis| quote!(.base(__tasker::millis(#millis)))));
    say(retry.max.map(|millis| quote!(.max(__tasker::millis(#millis)))));
    say(timeout.map(|millis| quote!(.timeout(__tasker::millis(#millis)))));
    say(subscriber.from_start.then(|| quote!(.from_start())));
    say(subscriber.unordered.then(|| quote!(.unordered())));
    say((!namespaces.is_empty()).then(|| quote!(.namespaces(&[#(#namespaces),*]))));
    quote! {
        __tasker::SubscriberSpec::new(#name, &[#(#patterns),*], &[#(#needs),*], #here)#(#said)*
    }
}
