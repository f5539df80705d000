//! `#[child_workflow]`: a step that starts tasks of another workflow. Parse, expand.

mod expand;
mod parse;

use proc_macro2::TokenStream;

use crate::errors::Errors;

/// Expands the attribute.
///
/// Whatever is wrong, the function and the type beside it stay, so that nothing else breaks.
pub(crate) fn child_workflow(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(child) = parse::child(attribute, &item, &mut errors) else {
        let errors = errors.to_tokens();
        return quote::quote!(#item #errors);
    };
    if errors.is_empty() { expand::whole(&child) } else { expand::mistaken(&child, &errors) }
}
