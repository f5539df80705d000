//! `#[derive(Routes)]`: parse, check, expand.

mod expand;
mod parse;

use proc_macro2::TokenStream;

use crate::errors::Errors;

/// Expands the derive.
pub(crate) fn routes(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    match parse::choice(input, &mut errors) {
        Some(choice) if errors.is_empty() => expand::whole(&choice),
        Some(choice) => expand::mistaken(&choice, &errors),
        None => errors.to_tokens(),
    }
}
