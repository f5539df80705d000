//! `around = [tenant, audited]`: what stands around the calls of a handler.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, Meta, Path};

use super::parse::Handler;
use crate::options;

/// The functions, outermost first.
///
/// # Errors
/// Where it is no list of paths, or one stands there twice.
pub(super) fn read(meta: &Meta) -> syn::Result<Vec<Path>> {
    const EXAMPLE: &str = "around = [tenant, audited]";
    let form = |found: &dyn quote::ToTokens| {
        let message =
            format!("list the async functions that stand around the handler, outermost first: `{EXAMPLE}`");
        syn::Error::new_spanned(found, message)
    };
    let list = match options::value(meta, EXAMPLE)? {
        Expr::Array(list) if !list.elems.is_empty() => list,
        other => return Err(form(other)),
    };
    let mut paths: Vec<Path> = Vec::new();
    for element in &list.elems {
        match element {
            Expr::Path(path) if path.qself.is_none() && !paths.contains(&path.path) => {
                paths.push(path.path.clone());
            }
            Expr::Path(path) if path.qself.is_none() => {
                return Err(syn::Error::new_spanned(
                    path,
                    "this stands around the handler already: keep one",
                ));
            }
            Expr::Call(call) => {
                let function = &call.func;
                let message = format!("name the function without calling it: write `{}`", quote!(#function));
                return Err(syn::Error::new_spanned(element, message.replace(" :: ", "::")));
            }
            other => return Err(form(other)),
        }
    }
    Ok(paths)
}

/// The call of a handler within its wrappers; the call itself where it has none.
pub(super) fn within(handler: &Handler, call: TokenStream) -> TokenStream {
    let wrappers = handler
        .options
        .around
        .iter()
        .map(|path| quote_spanned!(path.span()=> __tasker::Wrapper::written(&#path)));
    if wrappers.len() == 0 {
        return call;
    }
    quote! {
        static __AROUND: &[__tasker::Wrapper] = &[#(#wrappers),*];
        __tasker::within(__AROUND, step, |step| #call)
    }
}
