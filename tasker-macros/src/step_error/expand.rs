//! From an error type to code.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::parse::{Case, Failure};
use crate::runtime;

/// The code of an error type that keeps all rules.
pub(super) fn whole(failure: &Failure) -> TokenStream {
    let krate = runtime::path(failure.krate.as_ref());
    let ident = &failure.ident;
    let arms = failure.cases.iter().map(arm);
    let step_error = quote_spanned!(ident.span()=> __tasker::classified);
    let body = if failure.cases.is_empty() {
        quote!(match *self {})
    } else {
        quote! {
            let (retryable, code, after) = match self { #(#arms),* };
            #step_error(self, retryable, code, after)
        }
    };
    quote! {
        const _: () = {
            use #krate::__private as __tasker;
            #[automatically_derived]
            impl __tasker::Classified for #ident {
                fn classify(&self) -> __tasker::StepError {
                    #body
                }
            }
            __tasker::inventory::submit! { __tasker::Derived::of::<#ident>() }
        };
    }
}

fn arm(case: &Case) -> TokenStream {
    let Case { variant, retryable, code, after } = case;
    let pattern = match variant {
        Some(variant) => quote!(Self::#variant { .. }),
        None => quote!(Self { .. }),
    };
    // Nothing stands for no delay of its own.
    let after = after.unwrap_or(0);
    quote!(#pattern => (#retryable, #code, #after))
}
