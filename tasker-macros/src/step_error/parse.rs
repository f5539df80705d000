//! What the attributes say about each variant, and the rules they keep.

use heck::ToShoutySnakeCase as _;
use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt as _;
use syn::{Attribute, Data, DeriveInput, LitStr, Meta, Path};

use crate::errors::Errors;
use crate::{duration, options};

const KNOWN: [&str; 5] = ["permanent", "retryable", "code", "after", "crate"];

/// An error type.
pub(super) struct Failure {
    pub(super) ident: Ident,
    pub(super) krate: Option<Path>,
    /// Empty for an enum without variants; a struct has one, without a name.
    pub(super) cases: Vec<Case>,
}

/// A variant, or a whole struct.
pub(super) struct Case {
    pub(super) variant: Option<Ident>,
    pub(super) retryable: bool,
    pub(super) code: String,
    /// In milliseconds.
    pub(super) after: Option<u64>,
}

/// What one `#[step_error(…)]` says.
#[derive(Default)]
struct Words {
    retryable: Option<bool>,
    code: Option<LitStr>,
    after: Option<u64>,
    krate: Option<Path>,
    /// Whether there was a mistake, so that what is missing is not reported as well.
    mistaken: bool,
}

/// Reads an error type; `None` where it is none that can be read.
pub(super) fn failure(input: TokenStream, errors: &mut Errors) -> Option<Failure> {
    let input = errors.take(syn::parse2::<DeriveInput>(input))?;
    if !input.generics.params.is_empty() {
        errors.at(
            &input.generics,
            "an error that derives `StepError` cannot be generic: it is found by its type",
        );
        return None;
    }
    let outer = words(&input.attrs, errors);
    let cases = match &input.data {
        Data::Struct(_) => vec![case(None, &input.ident, &Words::default(), &outer, errors)],
        Data::Enum(data) => {
            if let Some(code) = &outer.code {
                errors.at(code, "a code belongs to one variant: write it there");
            }
            let cases = data.variants.iter().map(|variant| {
                let inner = words(&variant.attrs, errors);
                if let Some(path) = &inner.krate {
                    errors.at(path, "`crate` belongs to the whole type: write it there");
                }
                case(Some(variant.ident.clone()), &variant.ident, &inner, &outer, errors)
            });
            cases.collect()
        }
        Data::Union(data) => {
            errors.at(data.union_token, "a union cannot derive `StepError`: make it an enum");
            return None;
        }
    };
    Some(Failure { ident: input.ident, krate: outer.krate, cases })
}

fn case(variant: Option<Ident>, named: &Ident, inner: &Words, outer: &Words, errors: &mut Errors) -> Case {
    let retryable = inner.retryable.or(outer.retryable);
    if retryable.is_none() && !inner.mistaken && !outer.mistaken {
        let message = format!(
            "`{named}` does not say whether another attempt makes sense: write `#[step_error(permanent)]` or `#[step_error(retryable)]`"
        );
        errors.at(named, message);
    }
    let after = inner.after.or(outer.after.filter(|_| inner.retryable != Some(false)));
    if retryable == Some(false) && after.is_some() {
        errors.at(named, format!("`{named}` is permanent, so nothing comes after it: remove `after`"));
    }
    let code = inner.code.as_ref().or(outer.code.as_ref().filter(|_| variant.is_none()));
    let code = code.map_or_else(|| named.unraw().to_string().to_shouty_snake_case(), LitStr::value);
    Case { variant, retryable: retryable.unwrap_or(false), code, after }
}

/// What all `#[step_error(…)]` of one item say together.
fn words(attrs: &[Attribute], errors: &mut Errors) -> Words {
    let mut words = Words::default();
    for attribute in attrs.iter().filter(|attribute| attribute.path().is_ident("step_error")) {
        let Meta::List(list) = &attribute.meta else {
            words.mistaken = true;
            errors.at(attribute, "say something: `#[step_error(permanent, code = \"CARD_DECLINED\")]`");
            continue;
        };
        let mut own = Errors::default();
        for (key, meta) in options::read("`#[step_error]`", list.tokens.clone(), &KNOWN, &mut own) {
            word(&mut words, &key, &meta, &mut own);
        }
        words.mistaken |= !own.is_empty();
        errors.extend(own);
    }
    words
}

fn word(words: &mut Words, key: &str, meta: &Meta, errors: &mut Errors) {
    match key {
        "permanent" | "retryable" => {
            let retryable = key == "retryable";
            if !matches!(meta, Meta::Path(_)) {
                errors.at(meta, format!("`{key}` stands alone: `#[step_error({key})]`"));
            } else if words.retryable.is_some_and(|before| before != retryable) {
                errors.at(meta, "a failure is either `permanent` or `retryable`: keep one");
            }
            words.retryable = Some(retryable);
        }
        "code" => words.code = errors.take(code(meta)),
        "after" => words.after = errors.take(after(meta)),
        _ => words.krate = errors.take(options::path(meta, "crate = my_crate::tasker_runtime")),
    }
}

fn code(meta: &Meta) -> syn::Result<LitStr> {
    let code = options::text(meta, "code = \"CARD_DECLINED\"")?;
    if code.value().trim().is_empty() {
        return Err(syn::Error::new_spanned(code, "this is empty: `code = \"CARD_DECLINED\"`"));
    }
    Ok(code)
}

fn after(meta: &Meta) -> syn::Result<u64> {
    let text = options::text(meta, "after = \"30s\"")?;
    duration::parse(&text.value()).map_err(|message| syn::Error::new_spanned(text, message))
}
