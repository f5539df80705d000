//! From a step that waits to code: its type stands for the step, as that beside a function does.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned as _;

use super::parse::{Kind, OnTimeout, Until, Wait};
use crate::errors::Errors;
use crate::runtime;

/// The code of a type that keeps all rules.
pub(super) fn whole(wait: &Wait, item: &TokenStream) -> TokenStream {
    let step_fn = step_fn(wait, &facts(wait));
    let signal = (wait.kind == Kind::Signal).then(|| {
        let (ident, name) = (&wait.ident, wait.signal.as_ref().unwrap_or(&wait.name));
        let signal = quote_spanned!(ident.span()=> __tasker::Signal);
        quote! {
            impl #signal for #ident {
                const NAME: &'static __tasker::str = #name;
            }
        }
    });
    wrapped(wait, item, &quote!(#step_fn #signal))
}

/// The type as it stands, as a step of which nothing is known, and the mistakes.
pub(super) fn mistaken(wait: &Wait, item: &TokenStream, errors: &Errors) -> TokenStream {
    let errors = errors.to_tokens();
    let code = wrapped(wait, item, &step_fn(wait, &quote!()));
    quote!(#code #errors)
}

fn wrapped(wait: &Wait, item: &TokenStream, code: &TokenStream) -> TokenStream {
    let krate = runtime::path(wait.krate.as_ref());
    quote! {
        #item
        const _: () = {
            #[allow(unused_imports)]
            use #krate::__private as __tasker;
            #code
        };
    }
}

fn step_fn(wait: &Wait, facts: &TokenStream) -> TokenStream {
    let Wait { ident, name, .. } = wait;
    let output = match wait.kind {
        Kind::Signal => quote!(Self),
        Kind::Timer => quote!(__tasker::TimerEnd),
    };
    quote! {
        #[automatically_derived]
        impl __tasker::StepFn for #ident {
            const NAME: &'static __tasker::str = #name;
            const DECLARED: __tasker::bool = true;
            const PLACE: __tasker::Place = __tasker::here();
            #facts
            type Output = #output;
            type Context = __tasker::NoContext;
            type Inputs = ();
            type Position = __tasker::AnyPosition;
            fn call(step: &__tasker::TaskSequenceStep) -> __tasker::Call<'_> {
                __tasker::not_here(step)
            }
        }
    }
}

/// What it comes after, and what it waits for.
fn facts(wait: &Wait) -> TokenStream {
    let after = wait.after.iter().map(|path| {
        let name = name_of(path);
        quote!(__tasker::comes_after(#name))
    });
    let about = match wait.kind {
        Kind::Signal => signal(wait),
        Kind::Timer => timer(wait),
    };
    let schemas = (cfg!(feature = "schema") && wait.kind == Kind::Signal).then(|| {
        let ident = &wait.ident;
        quote! {
            const SCHEMAS: __tasker::Schemas = {
                #[allow(unused_imports)]
                use __tasker::NotDescribed as _;
                __tasker::Schemas::of(__tasker::Option::None, __tasker::Described::<#ident>::READ)
            };
        }
    });
    quote! {
        const NEEDS: &'static [__tasker::Need] = &[#(#after),*];
        const FACTS: __tasker::Facts = __tasker::Facts::new().needs(Self::NEEDS)#about;
        #schemas
    }
}

fn signal(wait: &Wait) -> TokenStream {
    let timeout = option(wait.millis);
    let on_timeout = match &wait.on_timeout {
        OnTimeout::Fail => quote!(__tasker::Absent::Fails),
        OnTimeout::Skip => quote!(__tasker::Absent::Skipped),
        OnTimeout::Default(value) => {
            let ident = &wait.ident;
            quote_spanned! {value.span()=>
                __tasker::Absent::Given({
                    fn __default() -> __tasker::Json {
                        let value: #ident = #value;
                        __tasker::given_default(&value)
                    }
                    __default
                })
            }
        }
    };
    let name = match &wait.signal {
        Some(name) => quote!(__tasker::Option::Some(#name)),
        None => quote!(__tasker::Option::None),
    };
    quote! {
        .signal(&__tasker::DeclaredSignal { name: #name, timeout_ms: #timeout, absent: #on_timeout })
    }
}

fn timer(wait: &Wait) -> TokenStream {
    let delay = option(wait.millis);
    let until = match &wait.until {
        None => quote!(__tasker::Option::None),
        Some(Until::Context(text)) => quote!(__tasker::Option::Some((__tasker::Option::None, #text))),
        Some(Until::Result(step, path)) => {
            let step = name_of(step);
            quote!(__tasker::Option::Some((__tasker::Option::Some(#step), #path)))
        }
    };
    quote!(.timer(&__tasker::DeclaredTimer { delay_ms: #delay, until: #until }))
}

fn option(millis: Option<u64>) -> TokenStream {
    match millis {
        Some(millis) => quote!(__tasker::Option::Some(#millis)),
        None => quote!(__tasker::Option::None),
    }
}

/// The name of a step. In parentheses its path can only be a type.
fn name_of(path: &Path) -> TokenStream {
    quote!(<(#path) as __tasker::StepFn>::NAME)
}
