//! Types whose number of parameters everybody knows.
//!
//! The compiler says of such a type what is wrong wherever the expansion names it, once each time. So the macro says it,
//! and goes on with the type as it should be.

use quote::quote;
use syn::{GenericArgument, Path, PathArguments, PathSegment, ReturnType, Signature, Type};

use super::check::written;
use super::param;
use super::parse::Handler;
use super::shape::is_ours;
use crate::errors::Errors;
use crate::{place, runtime};

/// Extractors that hold no other type.
const WHOLE: [&str; 5] = ["Attempt", "StepInfo", "IdempotencyKey", "Cancelled", "Api"];
/// Extractors that hold one.
const HOLDING: [&str; 2] = ["State", "Config"];

/// Says of which type the number of parameters is wrong, and mends it.
pub(super) fn mend(handler: &mut Handler, errors: &mut Errors) {
    for param in &mut handler.params {
        extractor(&mut param.ty, Some(errors));
    }
    signature(&mut handler.function.sig, handler.options.krate.as_ref(), errors);
}

/// Mends the types of a function; the mistakes of its parameters are those of the handler that is made of it.
pub(super) fn signature(sig: &mut Signature, krate: Option<&Path>, errors: &mut Errors) {
    for input in &mut sig.inputs {
        if let syn::FnArg::Typed(input) = input {
            extractor(&mut input.ty, None);
        }
    }
    result(&mut sig.output, krate, errors);
}

/// Mends a `Result` that has one type.
fn result(output: &mut ReturnType, krate: Option<&Path>, errors: &mut Errors) {
    let tasker = runtime::path(krate);
    let ReturnType::Type(_, returns) = output else { return };
    let Type::Path(path) = &mut **returns else { return };
    let message = match path.path.segments.first() {
        Some(name) if path.path.segments.len() == 1 && name.ident == "Result" => {
            let Some(output) = only_type(name) else { return };
            if !place::is_plain_result(name.ident.span()) {
                return;
            }
            let output = written(output);
            format!("a `Result` says with what the step fails, too: write `Result<{output}, StepError>`")
        }
        _ => return,
    };
    errors.at(&*path, message);
    if let Some(name) = path.path.segments.first_mut()
        && let PathArguments::AngleBracketed(arguments) = &mut name.arguments
    {
        arguments.args.push(syn::parse_quote!(#tasker::StepError));
    }
}

/// The type between the angle brackets, where there is one and nothing else.
fn only_type(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match (arguments.args.first(), arguments.args.len()) {
        (Some(GenericArgument::Type(ty)), 1) => Some(param::ungrouped(ty)),
        _ => None,
    }
}

/// Mends an extractor; says so where there is somebody to tell.
fn extractor(ty: &mut Type, errors: Option<&mut Errors>) {
    if !is_ours(ty) {
        return;
    }
    let Type::Path(path) = &mut *ty else { return };
    let Some(last) = path.path.segments.last_mut() else { return };
    let name = last.ident.to_string();
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return };
    if WHOLE.contains(&&*name) && !arguments.args.is_empty() {
        if let Some(errors) = errors {
            let message = format!(
                "`{name}` holds no other type: write `{name}`, or `self::{name}` where it is a type of your own"
            );
            errors.at(&arguments.args, message);
        }
        last.arguments = PathArguments::None;
    } else if HOLDING.contains(&&*name) && arguments.args.len() > 1 {
        let first = arguments.args.first().map(|first| quote!(#first));
        if let Some(errors) = errors {
            let message = format!(
                "`{name}` holds one type: take several parameters, or write `self::{name}` where it is a type of your own"
            );
            errors.at(&arguments.args, message);
        }
        last.arguments = PathArguments::AngleBracketed(syn::parse_quote!(<#first>));
    }
}
