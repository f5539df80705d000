//! What a return type gives when all is well, and errors that hide in it.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{GenericArgument, PathArguments, PathSegment, Type};

use super::check::written;
use super::param::ungrouped;
use super::parse::Handler;
use super::shape::Shape;
use crate::errors::Errors;

/// What stands between the angle brackets of a type that is called `Result`.
pub(super) fn arguments(ty: &Type) -> Option<(&Type, Option<&Type>)> {
    let Type::Path(path) = ungrouped(ty) else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
    let mut types = types_of(last);
    types.next().map(|output| (output, types.next()))
}

fn types_of(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(arguments.args.iter()),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ungrouped(ty)),
        _ => None,
    })
}

/// What a return type gives when all is well, as far as it can be seen.
pub(super) fn output(returns: &Type) -> &Type {
    arguments(returns).map_or(returns, |(output, _)| output)
}

/// The part of a return type that can be wrong with regard to traits: of a `Result` the one that is not known
/// to be right, all of it where neither is.
pub(super) fn suspect(returns: &Type) -> &Type {
    let (output, error) = match arguments(returns) {
        Some((output, Some(error))) => (output, error),
        Some((output, None)) if !is_known(output) => return output,
        _ => return returns,
    };
    let is_ours = matches!(error, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "StepError"));
    match (is_ours || is_known(error), is_known(output)) {
        (true, _) => output,
        (false, true) => error,
        (false, false) => returns,
    }
}

/// A `Result` within a type, and what is right around it.
struct Hidden<'t> {
    result: &'t Type,
    around: &'t Type,
}

/// Everything called `Result` with types of its own inside of a type.
fn hidden<'t>(ty: &'t Type, found: &mut Vec<Hidden<'t>>) {
    let inner: Vec<&Type> = match ty {
        Type::Path(path) => path.path.segments.iter().flat_map(types_of).collect(),
        Type::Tuple(tuple) => tuple.elems.iter().map(ungrouped).collect(),
        Type::Array(array) => vec![ungrouped(&array.elem)],
        Type::Slice(slice) => vec![ungrouped(&slice.elem)],
        Type::Paren(paren) => vec![ungrouped(&paren.elem)],
        Type::Reference(reference) => vec![ungrouped(&reference.elem)],
        _ => Vec::new(),
    };
    for inner in inner {
        if arguments(inner).is_some() {
            found.push(Hidden { result: inner, around: ty });
        } else {
            hidden(inner, found);
        }
    }
}

/// All that hide in what a handler returns when all is well.
fn all(returns: &Type) -> Vec<Hidden<'_>> {
    let (output, mut found) = (output(returns), Vec::new());
    // The error of the outer one is the error of the handler.
    if arguments(output).is_some() && arguments(returns).is_some() {
        found.push(Hidden { result: output, around: returns });
    } else {
        hidden(output, &mut found);
    }
    found
}

/// Refuses a `Result` of two types inside of a result.
pub(super) fn check(handler: &Handler, errors: &mut Errors) {
    let returns = handler.returns();
    for Hidden { result, around } in all(&returns) {
        let Some((output, Some(error))) = arguments(result) else { continue };
        let [output, error] = [output, error].map(written);
        let (inside, form) = match around {
            Type::Path(path) => {
                let name = path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
                let form = match name.as_str() {
                    "Option" => format!(
                        "return `Result<Option<{output}>, {error}>`, which `.transpose()` makes of it"
                    ),
                    "Vec" | "VecDeque" => format!(
                        "return `Result<{name}<{output}>, {error}>`, which `.into_iter().collect()` makes of it"
                    ),
                    "Result" => {
                        format!("return one `Result<{output}, StepError>` and let both errors out with `?`")
                    }
                    _ => format!("return `Result<_, {error}>` and let the error out with `?`"),
                };
                let article = if name.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
                (format!("{article} `{name}`"), form)
            }
            Type::Tuple(tuple) => {
                let parts = tuple.elems.iter().map(ungrouped);
                let parts = parts
                    .map(|part| arguments(part).map_or_else(|| written(part), |(inner, _)| written(inner)));
                let parts: Vec<String> = parts.collect();
                let form = format!(
                    "return `Result<({}), {error}>` and let the error out with `?`",
                    parts.join(", ")
                );
                ("a tuple".to_owned(), form)
            }
            _ => {
                let form = format!("return `Result<_, {error}>` and let the error out with `?`");
                ("an array".to_owned(), form)
            }
        };
        errors.at(result, format!("an error inside {inside} would be recorded as success: {form}"));
    }
}

/// What is left to ask the types: whether a `Result` of one type is one, and what a name stands for.
pub(super) fn hides_no_error(handler: &Handler, how: &TokenStream) -> Option<TokenStream> {
    if !matches!(handler.shape, Shape::Plain | Shape::Worker | Shape::Looped) {
        return None;
    }
    let returns = handler.returns();
    let import = quote!(
        use __tasker::Fallback as _;
    );
    let mut asked = Vec::new();
    for Hidden { result, .. } in all(&returns) {
        let text = written(result);
        asked.push(quote_spanned! {result.span()=>
            const _: () = __tasker::hides_no_error(
                #text,
                __tasker::Hides::error({ #import __tasker::Returned::<#result>::YES }),
            );
        });
    }
    let output = output(&returns);
    if asked.is_empty() {
        let mut names = Vec::new();
        names_in(output, &mut names);
        for name in names {
            let text = written(name);
            let ty = match std::ptr::eq(name, &returns) {
                // Of a name that may stand for a `Result`, what that gives.
                true => quote!(<__Return as __tasker::StepReturn<#how>>::Output),
                false => quote!(#name),
            };
            let inside = (!std::ptr::eq(name, output)).then(|| quote!(.inside()));
            asked.push(quote_spanned! {name.span()=>
                const _: () = __tasker::hides_no_error(
                    #text,
                    { use __tasker::HidesNothing as _; __tasker::HidesError::<#ty>::WHAT } #inside,
                );
            });
        }
    }
    Some(asked.into_iter().collect())
}

const CONTAINERS: [&str; 11] = [
    "Option", "Vec", "Box", "Arc", "Rc", "VecDeque", "HashMap", "BTreeMap", "HashSet", "BTreeSet", "Batches",
];

/// The types within a type that may stand for others, as far as the form tells.
fn names_in<'t>(ty: &'t Type, found: &mut Vec<&'t Type>) {
    match ty {
        _ if is_known(ty) => {}
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return };
            // Of a container of the standard library it is known what it holds.
            let name = last.ident.to_string();
            let holds = types_of(last).next().is_some() && CONTAINERS.contains(&&*name);
            if !holds {
                found.push(ty);
            }
            types_of(last).for_each(|inner| names_in(inner, found));
        }
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|inner| names_in(ungrouped(inner), found)),
        Type::Array(array) => names_in(ungrouped(&array.elem), found),
        Type::Slice(slice) => names_in(ungrouped(&slice.elem), found),
        Type::Paren(paren) => names_in(ungrouped(&paren.elem), found),
        Type::Reference(reference) => names_in(ungrouped(&reference.elem), found),
        _ => {}
    }
}

/// Whether a type is what everybody knows by its name, whatever it is made of.
fn is_known(ty: &Type) -> bool {
    const KNOWN: [&str; 20] = [
        "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64",
        "bool", "char", "String", "Value", "Uuid", "Json",
    ];
    match ty {
        Type::Tuple(tuple) => tuple.elems.iter().all(is_known),
        Type::Reference(reference) => is_known(&reference.elem),
        Type::Path(path) => path.path.get_ident().is_some_and(|name| {
            let name = name.to_string();
            name == "str" || KNOWN.contains(&&*name)
        }),
        _ => false,
    }
}
