//! `template!`: parse, read, expand.
//!
//! The file is read and checked here, by the validator that programs use at start. Whether its
//! handlers exist and find what they read is not known here: the expansion leaves that to a constant.

mod expand;
mod file;
mod parse;

use proc_macro2::TokenStream;

use crate::errors::Errors;

/// Expands the macro.
pub(crate) fn template(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(input) = parse::input(input, &mut errors) else {
        return errors.to_tokens();
    };
    match file::read(&input, &mut errors) {
        Some(file) if errors.is_empty() => expand::whole(&input, &file),
        file => expand::mistaken(&input, file.as_ref(), &errors),
    }
}
