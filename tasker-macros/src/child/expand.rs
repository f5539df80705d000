//! From a step that starts tasks to code: the function is the handler of a step of its own, which makes their contexts;
//! the type beside it stands for the step that starts them.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;

use super::parse::{Child, Run};
use crate::errors::Errors;
use crate::runtime;

/// The code of a step that keeps all rules.
pub(super) fn whole(child: &Child) -> TokenStream {
    let input = input(child);
    let needs = quote!(<#input as __tasker::StepFn>::NEEDS);
    let context = quote!(<#input as __tasker::StepFn>::Context);
    let facts = facts(child, &input);
    let step_fn = step_fn(child, &needs, &context, &facts);
    let check = check(child);
    wrapped(child, &quote!(#step_fn #check), &TokenStream::new())
}

/// The function as it stands, a step of which nothing is known, and the mistakes.
pub(super) fn mistaken(child: &Child, errors: &Errors) -> TokenStream {
    let needs = quote!(&[__tasker::Need::Unknown]);
    let step_fn = step_fn(child, &needs, &quote!(__tasker::NoContext), &TokenStream::new());
    wrapped(child, &step_fn, &errors.to_tokens())
}

/// The type that stands for the step which makes the contexts.
fn input(child: &Child) -> Ident {
    let ident = child.function.sig.ident.unraw();
    format_ident!("__{ident}_input", span = Span::call_site())
}

fn input_name(child: &Child) -> String {
    format!("{}_input", child.name)
}

/// The type beside the function, which stands for the step.
fn marker(child: &Child) -> Ident {
    let mut marker = child.function.sig.ident.clone();
    marker.set_span(marker.span().resolved_at(Span::call_site()));
    marker
}

fn wrapped(child: &Child, code: &TokenStream, errors: &TokenStream) -> TokenStream {
    let Child { function, of_calls, .. } = child;
    let krate = runtime::path(child.krate.as_ref());
    let (input, name, marker, vis) = (input(child), input_name(child), marker(child), &function.vis);
    let renamed = child.krate.as_ref().map(|path| quote!(, crate = #path));
    let cfgs: Vec<_> = function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect();
    quote! {
        #[#krate::step_handler(name = #name, marker = #input #(, #of_calls)* #renamed)]
        #function
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_camel_case_types, clippy::exhaustive_structs)]
        #vis struct #marker {}
        #(#cfgs)*
        const _: () = {
            #[allow(unused_imports)]
            use #krate::__private as __tasker;
            #code
        };
        #errors
    }
}

fn step_fn(child: &Child, needs: &TokenStream, context: &TokenStream, facts: &TokenStream) -> TokenStream {
    let (marker, name) = (marker(child), &child.name);
    let output = match (&child.returns, child.each) {
        (None, true) => quote!(__tasker::ChildResults),
        (None, false) => quote!(__tasker::Value),
        (Some(one), false) if !child.collect => quote!(#one),
        (Some(one), false) => quote!(__tasker::core::result::Result<#one, __tasker::ChildFailure>),
        (Some(one), true) if !child.collect => quote!(__tasker::Vec<#one>),
        (Some(one), true) => {
            quote!(__tasker::Vec<__tasker::core::result::Result<#one, __tasker::ChildFailure>>)
        }
    };
    quote! {
        #[automatically_derived]
        impl __tasker::StepFn for #marker {
            const NAME: &'static __tasker::str = #name;
            const DECLARED: __tasker::bool = true;
            const PLACE: __tasker::Place = __tasker::here();
            const NEEDS: &'static [__tasker::Need] = #needs;
            #facts
            type Output = #output;
            type Context = #context;
            type Inputs = ();
            type Position = __tasker::AnyPosition;
            fn call(step: &__tasker::TaskSequenceStep) -> __tasker::Call<'_> {
                __tasker::not_here(step)
            }
        }
    }
}

/// What it starts.
fn facts(child: &Child, input: &Ident) -> TokenStream {
    let Child { each, collect, cascade, .. } = child;
    let name = input_name(child);
    let run = match &child.run {
        Some(Run::Type(path)) => {
            let context = child.context.as_ref();
            let span = context.map_or_else(|| path.span(), syn::spanned::Spanned::span);
            let name = quote_spanned!(span=> __tasker::child_of::<#path, _, _, #context>());
            quote! {
                __tasker::ChildOf::Workflow({
                    fn __run() -> __tasker::String {
                        #name
                    }
                    __run
                })
            }
        }
        Some(Run::Name(name)) => quote!(__tasker::ChildOf::Name(#name)),
        None => quote!(__tasker::ChildOf::Name("")),
    };
    let parallelism = match child.parallelism {
        Some(most) => quote!(__tasker::Option::Some(#most)),
        None => quote!(__tasker::Option::None),
    };
    quote! {
        const FACTS: __tasker::Facts = __tasker::Facts::new().needs(Self::NEEDS).workflow(&__tasker::DeclaredChild {
            run: #run,
            handler: #name,
            namespace: <#input as __tasker::StepFn>::NAMESPACE,
            each: #each,
            parallelism: #parallelism,
            collect: #collect,
            cascade: #cascade,
        });
    }
}

/// The compiler looks whether the workflow returns what is said.
fn check(child: &Child) -> Option<TokenStream> {
    let (Some(ty), Some(Run::Type(path))) = (&child.returns, &child.run) else { return None };
    let returns = quote_spanned!(ty.span()=> __tasker::child_result::<#path, _, _, #ty>());
    Some(quote! {
        #[allow(dead_code)]
        fn __returns() {
            #returns
        }
    })
}
