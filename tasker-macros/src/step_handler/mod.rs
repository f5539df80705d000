//! `#[step_handler]`: parse, check, expand.

mod api;
mod arity;
mod around;
mod capability;
mod check;
mod compensates;
mod declare;
mod docs;
mod expand;
mod inputs;
mod keys;
mod methods;
mod options;
pub(crate) mod param;
pub(crate) mod params;
mod parse;
mod publishes;
mod results;
mod schema;
mod shape;

use proc_macro2::TokenStream;

use crate::errors::Errors;
use crate::place;

pub(crate) use capability::stand_alone;
pub(crate) use check::{borrows, impl_trait};
pub(crate) use declare::declare_step;
pub(crate) use expand::{how, own_error};
pub(crate) use methods::step_handlers;
pub(crate) use options::{Retry, name as subscriber_name, retry, timeout};
pub(crate) use parse::Function;

/// Of a handler inside of an `impl`.
const IN_IMPL: &str = "a method is no handler by itself: put `#[step_handlers]` on the `impl` around it, or make it a \
                       free function";

/// Expands the attribute.
///
/// Whatever is wrong, the function and the type beside it stay, so that nothing else breaks.
pub(crate) fn step_handler(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(mut handler) = parse::handler(attribute, item, &mut errors) else {
        let errors = errors.to_tokens();
        return quote::quote!(#item #errors);
    };
    let first = item.clone().into_iter().next();
    if handler.function.sig.receiver().is_none() && first.is_some_and(|token| place::is_in_impl(token.span()))
    {
        // No type can stand beside it there, so nothing of it is written.
        errors.at(&handler.function.sig.ident, IN_IMPL);
        let (function, errors) = (expand::function(&handler), errors.to_tokens());
        return quote::quote!(#function #errors);
    }
    if expand::cfgs(&handler).is_none() && place::is_seen_as_other(handler.marker(), false) {
        errors.at(handler.marker(), declare::BOTH);
        // Neither can a second type of its name stand beside it.
        let (function, errors) = (expand::function(&handler), errors.to_tokens());
        return quote::quote!(#function #errors);
    }
    check::all(&handler, &mut errors);
    check::names_no_workflow(&mut handler, &mut errors);
    // The compiler has its own words for a reference that is returned and borrows from nothing.
    if errors.is_empty() && !check::borrows(&handler.returns()) {
        expand::whole(&handler)
    } else {
        expand::mistaken(&handler, &errors)
    }
}
