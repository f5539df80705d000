//! `#[event_subscriber]`: parse, check, expand.

mod expand;
mod parse;

use proc_macro2::TokenStream;

use crate::errors::Errors;

/// Expands the attribute.
///
/// Whatever is wrong, the function and the type beside it stay, so that nothing else breaks.
pub(crate) fn event_subscriber(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(subscriber) = parse::subscriber(attribute, item, &mut errors) else {
        let errors = errors.to_tokens();
        return quote::quote!(#item #errors);
    };
    if errors.is_empty() { expand::whole(&subscriber) } else { expand::mistaken(&subscriber, &errors) }
}
