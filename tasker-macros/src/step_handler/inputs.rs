//! The parameters of a handler as types, for a function that stands in for it in a test.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::param::{Param, Source};
use super::parse::Handler;

/// A tuple with a type for each parameter but those that call an API, which a test leaves alone. `extracts` names the
/// constant that says whether the parameter of this number is an extractor; `None` where its form says so.
pub(super) fn inputs(handler: &Handler, extracts: impl Fn(usize) -> Option<Ident>) -> TokenStream {
    let inputs = handler.params.iter().enumerate().filter_map(|(index, Param { source, ty })| {
        Some(match source {
            Source::Type if is_api(ty) => return None,
            Source::Type => match extracts(index) {
                Some(is) => quote!(__tasker::ByType<#is, #ty>),
                None => quote!(__tasker::ByType<true, #ty>),
            },
            Source::Output(_) | Source::Named(_) => quote!(__tasker::OfStep<#ty>),
            Source::Field { .. } => quote!(__tasker::OfField<#ty>),
            Source::Step => quote!(__tasker::OfAll),
            Source::Mistaken => return None,
        })
    });
    quote!((#(#inputs,)*))
}

fn is_api(ty: &syn::Type) -> bool {
    match ty {
        syn::Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "Api"),
        _ => false,
    }
}
