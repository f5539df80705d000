//! Maps whose keys JSON cannot write: they compile, and the first step that returns one fails.

use syn::{GenericArgument, PathArguments, PathSegment, Type};

use super::check::written;
use super::param::{Source, ungrouped};
use super::parse::Handler;
use super::results;
use crate::errors::Errors;

/// Refuses such maps in what a handler takes and returns, as far as their form tells.
pub(super) fn check(handler: &Handler, errors: &mut Errors) {
    for param in &handler.params {
        if !matches!(param.source, Source::Step | Source::Mistaken) {
            within(&param.ty, errors);
        }
    }
    within(results::output(&handler.returns()), errors);
}

fn within(ty: &Type, errors: &mut Errors) {
    match ungrouped(ty) {
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return };
            // What is shared in the program is written nowhere.
            if last.ident == "State" {
                return;
            }
            let types = types_of(last);
            if let (true, [key, value]) =
                (["HashMap", "BTreeMap"].iter().any(|map| last.ident == map), &*types)
                && has_no_name(key)
            {
                let (keys, value) = (written(key), written(value));
                let message = format!(
                    "JSON calls the entries of a map by text, and `{keys}` is none: write `Vec<({keys}, {value})>`, or \
                     make a text of the key"
                );
                errors.at(*key, message);
            }
            types.into_iter().for_each(|ty| within(ty, errors));
        }
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|ty| within(ty, errors)),
        Type::Array(array) => within(&array.elem, errors),
        _ => {}
    }
}

/// Whether a type is several values by its form.
fn has_no_name(key: &Type) -> bool {
    match ungrouped(key) {
        Type::Tuple(_) | Type::Array(_) => true,
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "Vec"),
        _ => false,
    }
}

fn types_of(segment: &PathSegment) -> Vec<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return Vec::new() };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}
