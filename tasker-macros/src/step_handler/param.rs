//! Where each parameter comes from.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, PatType, Path, Token, Type};

use crate::errors::Errors;
use crate::options::Name;
use crate::{place, words};

/// The attributes that a parameter may have.
pub(crate) const KNOWN: [&str; 2] = ["depends_on", "input"];

/// One parameter.
pub(crate) struct Param {
    /// Where its value comes from.
    pub(crate) source: Source,
    /// Its type as it is written.
    pub(crate) ty: Type,
}

/// Where the value of a parameter comes from.
pub(crate) enum Source {
    /// Its type says so: an extractor, or the context.
    Type,
    /// `&TaskSequenceStep`.
    Step,
    /// `#[depends_on(path)]`.
    Output(Path),
    /// `#[depends_on("name")]`.
    Named(LitStr),
    /// `#[input("path")]`, and what stands for a field that is not there.
    Field { path: LitStr, default: Option<Default> },
    /// An attribute that was a mistake.
    Mistaken,
}

/// What stands for a field of the context that is not there.
pub(crate) enum Default {
    /// The default of the type.
    OfType(Span),
    /// This value.
    Value(Box<Expr>),
}

impl Default {
    fn span(&self) -> Span {
        match self {
            Self::OfType(span) => *span,
            Self::Value(value) => value.span(),
        }
    }

    /// The value. Text becomes whatever is made of text.
    pub(crate) fn value(&self) -> TokenStream {
        match self {
            Self::OfType(span) => quote_spanned!(*span=> __tasker::default_value()),
            Self::Value(value) => match &**value {
                text @ Expr::Lit(ExprLit { lit: Lit::Str(_), .. }) => {
                    quote_spanned!(text.span()=> __tasker::default_text(#text))
                }
                value => quote!(#value),
            },
        }
    }
}

/// Reads a parameter and takes our attributes off it.
pub(crate) fn read(input: &mut PatType, errors: &mut Errors) -> Param {
    let mut sources: Vec<(Attribute, Source)> = Vec::new();
    let mut kept = Vec::new();
    for attribute in input.attrs.drain(..) {
        match name_of(&attribute).as_str() {
            "depends_on" => {
                let source = errors.take(depends_on(&attribute)).unwrap_or(Source::Mistaken);
                sources.push((attribute, source));
            }
            "input" => {
                let source = errors.take(field(&attribute)).unwrap_or(Source::Mistaken);
                sources.push((attribute, source));
            }
            "cfg" | "cfg_attr" => {
                let message =
                    "a parameter of a handler cannot be conditional: put the condition on the handler";
                errors.at(&attribute, message);
            }
            other => match misspelt(other) {
                Some(near) => {
                    let message = format!("a parameter has no attribute `{other}`: did you mean `{near}`?");
                    errors.at(attribute.path(), message);
                    sources.push((attribute, Source::Mistaken));
                }
                None => kept.push(attribute),
            },
        }
    }
    input.attrs = kept;
    let ty = ungrouped(&input.ty).clone();
    let source = only_source(sources, &ty, errors);
    if let (syn::Pat::TupleStruct(pattern), None, Some(inner)) = (&*input.pat, &source, wrapped(&ty)) {
        let name = pattern.elems.first().map(|name| quote!(#name).to_string()).unwrap_or_default();
        errors.at(&ty, format!("the context is read without a wrapper: write `{name}: {inner}`"));
        // As it should be, since a type of that name may hold no other.
        if let (Some(name), Some(inner)) = (pattern.elems.first().cloned(), held(&ty)) {
            *input.pat = name;
            *input.ty = inner.clone();
        }
        return Param { source: Source::Mistaken, ty };
    }
    Param { source: source.unwrap_or_else(|| by_type(&ty)), ty }
}

/// Reads a field of a parameter struct.
pub(crate) fn of_field(field: &syn::Field, errors: &mut Errors) -> Param {
    let mut sources = Vec::new();
    for attribute in &field.attrs {
        let source = match name_of(attribute).as_str() {
            "depends_on" => errors.take(depends_on(attribute)),
            "input" => errors.take(self::field(attribute)),
            _ => continue,
        };
        sources.push((attribute.clone(), source.unwrap_or(Source::Mistaken)));
    }
    let ty = ungrouped(&field.ty).clone();
    let source = only_source(sources, &ty, errors).unwrap_or(Source::Type);
    Param { source, ty }
}

/// The one source that the attributes of a parameter of type `ty` say; `None` where they say nothing.
fn only_source(sources: Vec<(Attribute, Source)>, ty: &Type, errors: &mut Errors) -> Option<Source> {
    if let Some((second, _)) = sources.get(1) {
        errors.at(second, "a parameter has one source: keep one of these attributes");
    }
    if let (Some((attribute, Source::Output(_) | Source::Named(_) | Source::Field { .. })), Some(name)) =
        (sources.first(), extractor(ty))
    {
        let from = if name_of(attribute) == "input" { "the context" } else { "another step" };
        errors.at(attribute, format!("`{name}` does not come from {from}: remove this attribute"));
    }
    let source = sources.into_iter().next().map(|(_, source)| source);
    if let Some(Source::Field { default: Some(default), .. }) = &source
        && is_optional(ty)
    {
        let message = "an `Option` is `None` where there is no such field: remove `default`, or take the type \
                       inside of the `Option`";
        errors.at_span(default.span(), message);
    }
    source
}

fn is_optional(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Option"))
}

/// The name of an extractor of ours, where a type is one that is never read from JSON.
pub(crate) fn extractor(ty: &Type) -> Option<String> {
    const OURS: [&str; 10] = [
        "State",
        "Config",
        "Attempt",
        "StepInfo",
        "Cancelled",
        "IdempotencyKey",
        "Api",
        "Cursor",
        "Checkpoint",
        "Events",
    ];
    let Type::Path(path) = ty else { return None };
    let name = path.path.segments.last()?.ident.to_string();
    (super::shape::is_ours(ty) && OURS.contains(&&*name)).then_some(name)
}

/// The type in `Json<T>`.
fn held(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let syn::PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        syn::GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// What is inside of `Json<T>`, as web frameworks write it.
fn wrapped(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Json")?;
    match &last.arguments {
        syn::PathArguments::AngleBracketed(arguments) => {
            let inner = &arguments.args;
            Some(quote!(#inner).to_string().replace(' ', ""))
        }
        _ => None,
    }
}

fn name_of(attribute: &Attribute) -> String {
    attribute.path().segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default()
}

/// What an attribute that nobody knows was meant to be. Those of the language are left alone.
fn misspelt(name: &str) -> Option<&'static str> {
    const LANGUAGE: [&str; 6] = ["allow", "warn", "deny", "expect", "forbid", "doc"];
    if LANGUAGE.contains(&name) { None } else { words::near(name, &KNOWN) }
}

/// A type as a person would write it: that of a parameter of `macro_rules!` comes in a group.
pub(crate) fn ungrouped(mut ty: &Type) -> &Type {
    while let Type::Group(group) = ty {
        ty = &group.elem;
    }
    ty
}

fn by_type(ty: &Type) -> Source {
    match ty {
        Type::Reference(reference) if reference.mutability.is_none() && is_step(&reference.elem) => {
            Source::Step
        }
        _ => Source::Type,
    }
}

/// Whether a type is `TaskSequenceStep`, under whatever path.
pub(crate) fn is_step(ty: &Type) -> bool {
    match ungrouped(ty) {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "TaskSequenceStep"),
        _ => false,
    }
}

fn depends_on(attribute: &Attribute) -> syn::Result<Source> {
    const FORM: &str =
        "name one step: `#[depends_on(step)]`, or `#[depends_on(\"step\")]` for a step of another crate";
    let Meta::List(list) = &attribute.meta else {
        return Err(syn::Error::new_spanned(attribute, FORM));
    };
    match list.parse_args::<Name>() {
        Ok(Name::Path(path)) => match path.get_ident().filter(|name| place::is_unmarked(name)) {
            Some(name) => Err(syn::Error::new_spanned(name, words::unmarked(name))),
            None => Ok(Source::Output(path)),
        },
        Ok(Name::Text(name)) if name.value().trim().is_empty() => Err(syn::Error::new_spanned(name, FORM)),
        Ok(Name::Text(name)) => Ok(Source::Named(name)),
        Err(_) => Err(field_of(list).unwrap_or_else(|| syn::Error::new_spanned(attribute, FORM))),
    }
}

/// What is wrong with the name of a step that a field follows.
fn field_of(list: &syn::MetaList) -> Option<syn::Error> {
    let Ok(Expr::Field(field)) = list.parse_args::<Expr>() else { return None };
    let (step, name) = (&field.base, &field.member);
    let (step, name) = (quote!(#step).to_string().replace(' ', ""), quote!(#name));
    let message = format!(
        "a step is read as a whole: write `#[depends_on({step})]`, and take `.{name}` of the parameter in the body"
    );
    Some(syn::Error::new_spanned(field, message))
}

/// `"path"`, `"path", default` or `"path", default = value`.
struct Field {
    path: LitStr,
    default: Option<Default>,
}

impl Parse for Field {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let path = input.parse()?;
        let mut field = Self { path, default: None };
        if !input.is_empty() {
            input.parse::<Token![,]>().map_err(|error| syn::Error::new(error.span(), DEFAULT))?;
        }
        if input.is_empty() {
            return Ok(field);
        }
        let key = input.parse::<Ident>().map_err(|error| syn::Error::new(error.span(), DEFAULT))?;
        if key != "default" {
            let instead = words::instead(&key.to_string(), &["default"]);
            return Err(syn::Error::new(key.span(), format!("`#[input]` has no option `{key}`: {instead}")));
        }
        field.default = Some(match input.parse::<Option<Token![=]>>()? {
            Some(_) => Default::Value(
                input.parse().map(Box::new).map_err(|error| syn::Error::new(error.span(), DEFAULT))?,
            ),
            None => Default::OfType(key.span()),
        });
        input.parse::<Option<Token![,]>>()?;
        if input.is_empty() { Ok(field) } else { Err(input.error(DEFAULT)) }
    }
}

const DEFAULT: &str = "after the path may stand what is taken where there is no such field: `#[input(\"sku\", default = \"none\")]`";

fn field(attribute: &Attribute) -> syn::Result<Source> {
    const FORM: &str = "name one field of the context: `#[input(\"items.0.sku\")]`";
    let form = || syn::Error::new_spanned(attribute, FORM);
    let Meta::List(list) = &attribute.meta else { return Err(form()) };
    let Field { path, default } = match list.parse_args() {
        Ok(field) => field,
        Err(_) if list.parse_args_with(starts_with_text).is_err() => return Err(form()),
        Err(error) => return Err(error),
    };
    let written = path.value();
    if written.starts_with(['$', '/']) || written.contains('[') {
        let plain = written.trim_start_matches('$').replace(['[', '/'], ".").replace([']', '\'', '"'], "");
        let plain = plain.split('.').filter(|name| !name.is_empty()).collect::<Vec<_>>().join(".");
        let message = format!("a path has names and indices with dots between: write `{plain}`");
        return Err(syn::Error::new_spanned(path, message));
    }
    if written.split('.').any(str::is_empty) {
        return Err(syn::Error::new_spanned(path, FORM));
    }
    Ok(Source::Field { path, default })
}

/// Text, whatever follows.
fn starts_with_text(input: ParseStream<'_>) -> syn::Result<()> {
    input.parse::<LitStr>()?;
    input.parse::<TokenStream>().map(drop)
}
