//! `#[derive(StepError)]`: parse, check, expand.

mod expand;
mod parse;

use proc_macro2::TokenStream;

use crate::errors::Errors;

/// Expands the derive.
pub(crate) fn step_error(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    match parse::failure(input, &mut errors) {
        Some(failure) if errors.is_empty() => expand::whole(&failure),
        _ => errors.to_tokens(),
    }
}
