//! The attributes that stand beside `#[step_handler]`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::Attribute;

use super::parse::Function;
use crate::errors::Errors;

/// The attributes that give a handler a capability.
pub(crate) const NAMES: [&str; 6] =
    ["api", "decision", "batch_analyzer", "batch_worker", "compensates", "publishes"];

/// Those of which a handler has at most one, because each says what its result is.
const EXCLUSIVE: [&str; 4] = ["decision", "batch_analyzer", "batch_worker", "compensates"];

/// One capability attribute.
pub(super) struct Capability {
    pub(super) name: &'static str,
    pub(super) attribute: Attribute,
}

/// Takes the capability attributes off a function.
pub(super) fn take(attrs: &mut Vec<Attribute>) -> Vec<Capability> {
    let mut taken = Vec::new();
    for attribute in std::mem::take(attrs) {
        match known(&attribute) {
            Some(name) => taken.push(Capability { name, attribute }),
            None => attrs.push(attribute),
        }
    }
    taken
}

fn known(attribute: &Attribute) -> Option<&'static str> {
    let last = attribute.path().segments.last()?;
    NAMES.into_iter().find(|name| last.ident == name)
}

/// No two that exclude each other, and none twice but what a handler may publish several of.
pub(super) fn check(capabilities: &[Capability], errors: &mut Errors) {
    for (index, Capability { name, attribute }) in capabilities.iter().enumerate() {
        let before = &capabilities[..index];
        if *name != "publishes" && before.iter().any(|other| other.name == *name) {
            errors.at(attribute, format!("`#[{name}]` is given twice: keep one"));
            continue;
        }
        let other = before.iter().find(|other| EXCLUSIVE.contains(&other.name) && EXCLUSIVE.contains(name));
        if let Some(other) = other {
            let message = format!("a handler cannot have both `#[{}]` and `#[{name}]`: keep one", other.name);
            errors.at(attribute, message);
            continue;
        }
        if *name == "api" && !cfg!(feature = "http") {
            errors.at(attribute, "`#[api]` needs the feature `http` of tasker-runtime: switch it on");
        }
    }
}

/// Expands a capability attribute that comes before `#[step_handler]`: it moves below, where the
/// handler finds it. Without a handler it has no meaning.
pub(crate) fn stand_alone(name: &str, arguments: &TokenStream, item: &TokenStream) -> TokenStream {
    let Ok(mut function) = syn::parse2::<Function>(item.clone()) else {
        return with_error(name, item);
    };
    let is_handler = |attribute: &Attribute| {
        attribute.path().segments.last().is_some_and(|last| last.ident == "step_handler")
    };
    let Some(at) = function.attrs.iter().position(is_handler) else {
        return with_error(name, item);
    };
    let ident = Ident::new(name, proc_macro2::Span::call_site());
    let arguments = if arguments.is_empty() { quote!() } else { quote!((#arguments)) };
    function.attrs.insert(at + 1, syn::parse_quote!(#[#ident #arguments]));
    let Function { attrs, vis, sig, body } = function;
    quote!(#(#attrs)* #vis #sig #body)
}

fn with_error(name: &str, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let message = format!("`#[{name}]` adds to a handler: put `#[step_handler]` on the same function");
    errors.at_span(proc_macro2::Span::call_site(), message);
    let errors = errors.to_tokens();
    quote!(#item #errors)
}
