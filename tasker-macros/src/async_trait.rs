//! `#[async_trait]`: a handler that is written by hand needs it no more and may have it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemImpl;

/// Leaves an implementation of `StepHandler` as it is, whose async functions mean the same without the attribute, and
/// hands everything else to the attribute of that name.
pub(crate) fn async_trait(attribute: &TokenStream, item: TokenStream) -> TokenStream {
    let is_handler = |item: &ItemImpl| {
        let of = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
        of.is_some_and(|last| last.ident == "StepHandler")
    };
    // Only the beginning of it matters, and it may be half written.
    match syn::parse2::<ItemImpl>(item.clone()) {
        Ok(found) if is_handler(&found) && attribute.is_empty() => item,
        _ => quote!(#[::tasker_runtime::__private::async_trait(#attribute)] #item),
    }
}
