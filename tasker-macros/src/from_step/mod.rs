//! `#[derive(FromStep)]`: parse, check, expand.

mod expand;
mod parse;

use proc_macro2::TokenStream;

use crate::errors::Errors;

/// Expands the derive.
pub(crate) fn from_step(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    match parse::parameters(input, &mut errors) {
        Some(parameters) if errors.is_empty() && !parameters.is_refused() => expand::whole(&parameters),
        Some(parameters) => expand::mistaken(&parameters, &errors),
        None => errors.to_tokens(),
    }
}
