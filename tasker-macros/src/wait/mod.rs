//! `#[signal]` and `#[timer]`: steps that wait, as types. Parse, check, expand.

mod expand;
mod parse;

use proc_macro2::TokenStream;

use self::parse::Kind;
use crate::errors::Errors;

/// Expands `#[signal]`.
pub(crate) fn signal(attribute: TokenStream, item: TokenStream) -> TokenStream {
    wait(Kind::Signal, attribute, item)
}

/// Expands `#[timer]`.
pub(crate) fn timer(attribute: TokenStream, item: TokenStream) -> TokenStream {
    wait(Kind::Timer, attribute, item)
}

fn wait(kind: Kind, attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let wait = parse::wait(kind, attribute, &item, &mut errors);
    match (wait, errors.is_empty()) {
        (Some(wait), true) => expand::whole(&wait, &item),
        (Some(wait), false) => expand::mistaken(&wait, &item, &errors),
        (None, _) => {
            let errors = errors.to_tokens();
            quote::quote!(#item #errors)
        }
    }
}
