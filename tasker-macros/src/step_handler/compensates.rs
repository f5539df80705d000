//! `#[compensates(charge)]`: the handler undoes another one.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Meta, Path};

use super::capability::Capability;
use super::param::{Param, Source};
use super::params;
use super::parse::Handler;
use crate::errors::Errors;
use crate::options::Name;

/// What the attribute names, where there is one; what is wrong with it is a mistake.
pub(super) fn read(capabilities: &[Capability], errors: &mut Errors) -> Option<Name> {
    const FORM: &str =
        "name one handler: `#[compensates(charge)]`, or `#[compensates(\"charge\")]` for one by its name";
    let Capability { attribute, .. } =
        capabilities.iter().find(|capability| capability.name == "compensates")?;
    let name = match &attribute.meta {
        Meta::List(list) => list.parse_args::<Name>().ok(),
        _ => None,
    };
    let name = name.filter(|name| !matches!(name, Name::Text(text) if text.value().trim().is_empty()));
    if name.is_none() {
        errors.at(attribute, FORM);
    }
    name
}

/// A handler does not undo itself.
pub(super) fn check(handler: &Handler, errors: &mut Errors) {
    let name = handler.name();
    let itself = match &handler.compensates {
        Some(Name::Path(path)) => is_own(handler, path).then(|| path.to_token_stream()),
        Some(Name::Text(text)) => (text.value() == name).then(|| text.to_token_stream()),
        None => None,
    };
    if let Some(tokens) = itself {
        errors.at(tokens, format!("handler `{name}` cannot compensate itself"));
    }
}

/// Whether a path leads to the handler it is written at.
pub(super) fn is_own(handler: &Handler, path: &Path) -> bool {
    let own = path.leading_colon.is_none()
        && path.segments.len() <= 2
        && path.segments.iter().rev().nth(1).is_none_or(|before| before.ident == "self");
    own && path.segments.last().map(|last| last.ident.unraw()) == Some(handler.marker().unraw())
}

/// Whether `path` means what the handler undoes, by whatever way it leads there.
pub(super) fn compensates(handler: &Handler, path: &Path) -> bool {
    let last = |path: &Path| path.segments.last().map(|last| last.ident.unraw());
    matches!(&handler.compensates, Some(Name::Path(compensated)) if last(compensated) == last(path))
}

/// In parentheses it can only be a type, and a function is refused in plain words.
fn type_of(path: &Path) -> TokenStream {
    quote!((#path))
}

/// What the facts say.
pub(super) fn fact(handler: &Handler) -> Option<TokenStream> {
    Some(match handler.compensates.as_ref()? {
        Name::Path(path) => {
            let compensated = type_of(path);
            quote_spanned!(path.span()=> .compensates(__tasker::compensates::<#compensated>()))
        }
        Name::Text(text) => quote!(.compensates(__tasker::Compensates::key(#text))),
    })
}

/// The trait, and the check of every parameter that reads the context.
pub(super) fn implement(handler: &Handler) -> Option<TokenStream> {
    let marker = handler.marker();
    let Name::Path(path) = handler.compensates.as_ref()? else {
        return Some(quote!(impl __tasker::Compensating for #marker {}));
    };
    let name = handler.name();
    let written =
        path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>().join("::");
    let compensated = type_of(path);
    let by_type = handler.params.iter().enumerate().filter(|(_, param)| matches!(param.source, Source::Type));
    let marked = by_type.map(|(index, Param { ty, .. })| {
        let parameter = params::param_name(index);
        let import = quote!(
            use __tasker::Fallback as _;
        );
        let same = quote_spanned! {ty.span()=>
            { #import __tasker::Same::<#ty, <#compensated as __tasker::StepFn>::Output>::YES }
        };
        quote_spanned!(ty.span()=> const _: () = {
            __tasker::marked::<#compensated>(#name, #written, #same);
            __tasker::takes_one_batch::<#compensated>(#parameter.need);
        };)
    });
    let later = handler.params.iter().filter_map(|Param { source, .. }| match source {
        Source::Output(read) if !compensates(handler, read) => {
            let other = type_of(read);
            let refused =
                quote_spanned!(read.span()=> __tasker::comes_not_after::<#other, #compensated>(#name));
            Some(quote!(const _: () = #refused;))
        }
        _ => None,
    });
    Some(quote! {
        impl __tasker::Compensating for #marker {}
        #(#marked)*
        #(#later)*
    })
}
