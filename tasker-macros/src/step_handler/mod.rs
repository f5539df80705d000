//! `#[step_handler]`: parse, check, expand.

mod api;
mod around;
mod capability;
mod check;
mod compensates;
mod expand;
mod inputs;
mod options;
mod param;
mod parse;
mod results;
mod schema;
mod shape;

use proc_macro2::TokenStream;

use crate::errors::Errors;

pub(crate) use capability::stand_alone;

/// Expands the attribute.
///
/// Whatever is wrong, the function and the type beside it stay, so that nothing else breaks.
pub(crate) fn step_handler(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(handler) = parse::handler(attribute, item, &mut errors) else {
        let errors = errors.to_tokens();
        return quote::quote!(#item #errors);
    };
    check::all(&handler, &mut errors);
    // The compiler has its own words for a reference that is returned and borrows from nothing.
    if errors.is_empty() && !check::borrows(&handler.returns()) {
        expand::whole(&handler)
    } else {
        expand::mistaken(&handler, &errors)
    }
}
