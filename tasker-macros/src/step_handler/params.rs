//! How each parameter is read, and what is known of all of them together.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned as _;

use super::compensates;
use super::param::{Param, Source};
use super::parse::Handler;
use super::shape::{self, Shape};

pub(crate) fn param_name(index: usize) -> Ident {
    format_ident!("PARAMETER_{}", index + 1)
}

/// A constant for each parameter, which checks its type and knows how to read it.
pub(super) fn params(handler: &Handler) -> Option<TokenStream> {
    let by_type = match (&handler.api, &handler.shape) {
        (None, Shape::Worker) => "by_type_of_batch",
        (Some(_), Shape::Worker) => "by_type_of_all",
        (Some(_), _) => "by_type_of_api",
        (None, _) => "by_type",
    };
    let constants = handler.params.iter().enumerate().filter_map(|(index, Param { source, ty })| {
        let (name, mut asked) = (param_name(index), quote!());
        let by = match source {
            Source::Step | Source::Mistaken => return None,
            Source::Type if is_extractor(ty) => {
                let by_type = Ident::new(by_type, ty.span());
                quote_spanned!(ty.span()=> __tasker::Parameter::<#ty>::#by_type::<true>())
            }
            Source::Type => {
                let import = quote!(
                    use __tasker::Fallback as _;
                );
                // Where the type stands, as what is wrong with it is said of all this.
                let by_type = Ident::new(by_type, ty.span());
                let is = is_extractor_name(index);
                let extractor = quote_spanned!(ty.span()=> { #import __tasker::Kind::<#ty>::YES });
                asked = quote!(const #is: __tasker::bool = #extractor;);
                quote_spanned!(ty.span()=> __tasker::Parameter::<#ty>::#by_type::<{ let is = #is; is }>())
            }
            Source::Output(path) if compensates::compensates(handler, path) => {
                let step = quote!((#path));
                quote_spanned!(ty.span()=> __tasker::compensated::<#step, #ty>())
            }
            marked => read_as_marked(marked, ty),
        };
        Some(quote!(#asked const #name: __tasker::Parameter<#ty> = #by;))
    });
    (!handler.params.is_empty()).then(|| constants.collect())
}

/// A constant for each field of a parameter struct.
pub(crate) fn fields<'p>(params: impl Iterator<Item = &'p Param>) -> TokenStream {
    let constants = params.enumerate().map(|(index, Param { source, ty })| {
        let name = param_name(index);
        let by = match source {
            Source::Type if is_extractor(ty) => {
                quote_spanned!(ty.span()=> __tasker::Parameter::<#ty>::by_type_of_all::<true>())
            }
            Source::Type => quote_spanned!(ty.span()=> __tasker::Parameter::<#ty>::extractor()),
            marked => read_as_marked(marked, ty),
        };
        quote!(const #name: __tasker::Parameter<#ty> = #by;)
    });
    constants.collect()
}

/// How a parameter is read that has an attribute.
fn read_as_marked(source: &Source, ty: &Type) -> TokenStream {
    match source {
        Source::Output(path) => {
            // In parentheses it can only be a type, and a function is refused in plain words.
            let step = quote!((#path));
            quote_spanned!(ty.span()=> __tasker::depends_on::<#step, #ty>())
        }
        Source::Named(step) => {
            let optional = is_one_of(ty, &["Option"]);
            let gathers = match last(ty).is_some_and(|last| last.ident == "Vec") {
                true => quote!(false),
                false => quote!({ use __tasker::Fallback as _; __tasker::Gathers::<#ty>::YES }),
            };
            quote_spanned!(ty.span()=> __tasker::Parameter::<#ty>::depends_on_name::<#gathers>(#step, #optional))
        }
        Source::Field { path, default: None } => {
            quote_spanned!(ty.span()=> __tasker::Parameter::<#ty>::input(#path))
        }
        Source::Field { path, default: Some(default) } => {
            let value = default.value();
            let by = quote_spanned!(ty.span()=> __tasker::Parameter::<#ty>::input_or::<__Default>(#path));
            quote!({
                struct __Default;
                impl __tasker::DefaultOf<#ty> for __Default {
                    fn value() -> #ty {
                        #value
                    }
                }
                #by
            })
        }
        // Said elsewhere, and nothing of it is compiled.
        Source::Type | Source::Step | Source::Mistaken => quote!(),
    }
}

/// Whether a type says by its form that it is an extractor. What is wrong with it is then said of what it holds.
fn is_extractor(ty: &Type) -> bool {
    let ours = || is_one_of(ty, &["Cursor", "Checkpoint", "Round"]) && shape::is_ours(ty);
    has_arguments(ty) && (is_one_of(ty, &["State", "Config"]) || ours())
}

/// What is shared, where a type says by its form that it is state.
pub(super) fn state(ty: &Type) -> Option<&Type> {
    let last = last(ty).filter(|last| last.ident == "State")?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        syn::GenericArgument::Type(state) => Some(state),
        _ => None,
    })
}

fn is_extractor_name(index: usize) -> Ident {
    format_ident!("EXTRACTS_{}", index + 1)
}

/// What the context is read as: the first parameter that only its type explains and that is no extractor.
pub(super) fn context(handler: &Handler) -> TokenStream {
    let by_type = handler
        .params
        .iter()
        .enumerate()
        .filter(|(_, param)| matches!(param.source, Source::Type) && !is_extractor(&param.ty));
    by_type.rev().fold(quote!(__tasker::NoContext), |rest, (index, Param { ty, .. })| {
        let is = is_extractor_name(index);
        quote!(<() as __tasker::Pick<#is, #ty, #rest>>::Out)
    })
}

/// What a function takes that stands in for the handler.
pub(super) fn inputs(handler: &Handler) -> TokenStream {
    let extracts =
        |index: usize| (!is_extractor(&handler.params[index].ty)).then(|| is_extractor_name(index));
    super::inputs::inputs(handler, extracts)
}

/// The positions of the batches that a worker takes.
pub(super) fn position(handler: &Handler) -> TokenStream {
    let cursor = handler.params.iter().find(|param| {
        let is_cursor = is_one_of(&param.ty, &["Cursor"]) && has_arguments(&param.ty);
        matches!(handler.shape, Shape::Worker) && matches!(param.source, Source::Type) && is_cursor
    });
    match cursor.filter(|param| shape::is_ours(&param.ty)) {
        Some(Param { ty, .. }) => quote!(<#ty as __tasker::Positions>::Position),
        None => quote!(__tasker::AnyPosition),
    }
}

fn last(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

pub(super) fn is_one_of(ty: &Type, names: &[&str]) -> bool {
    last(ty).is_some_and(|last| names.iter().any(|name| last.ident == name))
}

fn has_arguments(ty: &Type) -> bool {
    last(ty).is_some_and(|last| !last.arguments.is_empty())
}

/// What each parameter needs.
pub(super) fn needs(handler: &Handler) -> TokenStream {
    let needs = handler.params.iter().enumerate().filter_map(|(index, param)| {
        let name = param_name(index);
        (!matches!(param.source, Source::Step)).then(|| quote!(#name.need))
    });
    let after = handler.options.after.iter().map(|path| {
        // In parentheses it can only be a type, and a function is refused in plain words.
        let step = quote!((#path));
        quote_spanned!(path.span()=> __tasker::after::<#step>())
    });
    quote!(&[#(#needs,)* #(#after),*])
}

/// Of several parameters that only their type explains, at most one is the context.
pub(super) fn one_context(handler: &Handler) -> Option<TokenStream> {
    let by_type: Vec<&Type> = handler
        .params
        .iter()
        .filter(|param| matches!(param.source, Source::Type))
        .map(|param| &param.ty)
        .collect();
    let [_, .., last] = by_type.as_slice() else { return None };
    let (name, marker) = (handler.name(), handler.marker());
    let needs = quote!(<#marker as __tasker::StepFn>::NEEDS);
    Some(quote_spanned!(last.span()=> const _: () = __tasker::one_context(#name, #needs);))
}
