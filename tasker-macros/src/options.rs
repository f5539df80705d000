//! `key = value` and `key(…)` lists, as every macro here takes them.

use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitInt, LitStr, Meta, Path, Token};

use crate::errors::Errors;
use crate::words;

/// The options in `tokens`, each key once; what is wrong is added to `errors`. `owner` is what they
/// belong to, for messages.
pub(crate) fn read(
    owner: &str,
    tokens: proc_macro2::TokenStream,
    known: &[&str],
    errors: &mut Errors,
) -> Vec<(String, Meta)> {
    if tokens.is_empty() {
        return Vec::new();
    }
    let first = tokens.clone().into_iter().next();
    let list = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens);
    let list =
        errors.take(list.map_err(|error| match first.as_ref().and_then(|first| unnamed(owner, first)) {
            Some(write) => {
                syn::Error::new_spanned(first, format!("each option of {owner} has a name: write `{write}`"))
            }
            None => syn::Error::new(
                error.span(),
                format!("{owner} takes options with commas between: `key = value`"),
            ),
        }));
    let mut options: Vec<(String, Meta)> = Vec::new();
    for meta in list.into_iter().flatten() {
        let key = key_of(meta.path());
        if !known.contains(&key.as_str()) {
            let instead = elsewhere(&key)
                .or_else(|| synonym(owner, &key))
                .unwrap_or_else(|| words::instead(&key, known));
            let message = format!("{owner} has no option `{key}`: {instead}");
            errors.at(meta.path(), message);
        } else if options.iter().any(|(other, _)| *other == key) {
            errors.at(meta.path(), format!("option `{key}` is given twice: keep one"));
        } else {
            options.push((key, meta));
        }
    }
    options
}

/// The option that a text without a name is most likely meant to be.
fn unnamed(owner: &str, first: &proc_macro2::TokenTree) -> Option<String> {
    let proc_macro2::TokenTree::Literal(literal) = first else { return None };
    let text = literal.to_string();
    let key = match owner {
        "`#[api]`" if text.contains("://") => "base_url",
        "`#[api]`" => "config",
        "`#[step_handler]`" | "`declare_step!`" => "name",
        _ => return None,
    };
    text.starts_with('"').then(|| format!("{key} = {text}"))
}

/// What is no option anywhere, but an attribute of its own.
fn elsewhere(key: &str) -> Option<String> {
    match key {
        "depends_on" | "input" => Some(format!("it {}", words::at_a_parameter(key))),
        "compensates" => Some("write `#[compensates(charge)]` on the same function".to_owned()),
        "routes" => Some("write `#[decision(routes = [..])]` on the same function".to_owned()),
        "base_url" | "headers" => {
            Some("write `#[api(base_url = \"https://…\")]` on the same function".to_owned())
        }
        _ => None,
    }
}

/// Takes `key = Type` out of a list of options, since a type may have commas of its own.
pub(crate) fn without_type(
    tokens: proc_macro2::TokenStream,
    key: &str,
) -> (proc_macro2::TokenStream, Option<proc_macro2::TokenStream>) {
    use proc_macro2::TokenTree::{self, Punct};
    let is = |token: &TokenTree, sign: char| matches!(token, Punct(punct) if punct.as_char() == sign);
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let starts = |at: usize| {
        matches!(&tokens[at], TokenTree::Ident(ident) if ident == key)
            && tokens.get(at + 1).is_some_and(|next| is(next, '='))
            && (at == 0 || is(&tokens[at - 1], ','))
    };
    let Some(start) = (0..tokens.len()).find(|&at| starts(at)) else {
        return (tokens.into_iter().collect(), None);
    };
    let (mut end, mut open) = (start + 2, 0_usize);
    while end < tokens.len() && (open > 0 || !is(&tokens[end], ',')) {
        // The end of an arrow closes nothing.
        let arrow = end > 0 && is(&tokens[end - 1], '-');
        open += usize::from(is(&tokens[end], '<'));
        open -= usize::from(is(&tokens[end], '>') && !arrow && open > 0);
        end += 1;
    }
    let ty = tokens[start + 2..end].iter().cloned().collect();
    let rest = tokens[..start].iter().chain(tokens.get(end + 1..).unwrap_or_default());
    (rest.cloned().collect(), Some(ty))
}

/// What other tools call an option of ours.
fn synonym(owner: &str, key: &str) -> Option<String> {
    let write = match (owner, key) {
        ("`retry`", "attempts" | "times" | "tries" | "retries" | "count" | "limit" | "max_retries") => {
            "`max_attempts = 5`, which counts the first one too"
        }
        ("`retry`", "delay" | "initial" | "interval" | "initial_delay" | "wait" | "min" | "start") => {
            "`base = \"1s\"`, the delay after the first attempt"
        }
        ("`retry`", "cap" | "ceiling" | "max_delay" | "max_interval" | "max_wait" | "upto") => {
            "`max = \"30s\"`, the longest delay"
        }
        ("`retry`", "factor" | "multiplier" | "exponent" | "strategy" | "kind" | "policy") => {
            "`backoff = \"exponential\"`, which doubles the delay each time, `\"linear\"` or `\"fibonacci\"`"
        }
        ("`#[step_handler]`", "attempts" | "times" | "tries" | "max_attempts" | "max_retries") => {
            "`retry = 5`, which counts the first attempt too"
        }
        ("`#[step_handler]`", "delay" | "interval" | "initial" | "backoff" | "factor" | "base") => {
            "`retry(max_attempts = 5, backoff = \"exponential\", base = \"1s\")`"
        }
        ("`#[step_handler]`", "deadline" | "time_limit" | "ttl" | "max_duration") => "`timeout = \"30s\"`",
        ("`#[step_handler]`", "parallelism" | "max_concurrency" | "limit" | "workers") => "`concurrency = 4`",
        ("`#[step_handler]`", "rounds" | "loops" | "iterations" | "max_loops" | "max_iterations") => {
            "`max_rounds = 1000`"
        }
        ("`#[api]`", "url" | "endpoint" | "host" | "base" | "uri" | "address") => {
            "`base_url = \"https://…\"`"
        }
        _ => return None,
    };
    Some(format!("write {write}"))
}

fn key_of(path: &Path) -> String {
    let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    names.join("::")
}

/// The value of `key = value`.
///
/// # Errors
/// Where there is none; `example` is what to write.
pub(crate) fn value<'m>(meta: &'m Meta, example: &str) -> syn::Result<&'m Expr> {
    match meta {
        Meta::NameValue(pair) => Ok(ungrouped(&pair.value)),
        other => Err(syn::Error::new_spanned(other, format!("expected a value: `{example}`"))),
    }
}

/// What a `macro_rules!` put in: its parameters come in groups without delimiters.
fn ungrouped(mut value: &Expr) -> &Expr {
    while let Expr::Group(group) = value {
        value = &group.expr;
    }
    value
}

/// The text of `key = "text"`.
///
/// # Errors
/// Where it is no text; `example` is what to write.
pub(crate) fn text(meta: &Meta, example: &str) -> syn::Result<LitStr> {
    match value(meta, example)? {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.clone()),
        other => Err(expected(other, "text", example)),
    }
}

/// The number of `key = 3`, within a range.
///
/// # Errors
/// Where it is no number or outside; `example` is what to write.
pub(crate) fn number(meta: &Meta, example: &str, range: std::ops::RangeInclusive<u32>) -> syn::Result<u32> {
    let wanted = format!("a number from {} to {}", range.start(), range.end());
    match value(meta, example)? {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => in_range(number, &range)
            .ok_or_else(|| syn::Error::new_spanned(number, format!("expected {wanted}: `{example}`"))),
        other => Err(expected(other, &wanted, example)),
    }
}

/// A value that is not what is wanted. One that would have to be computed is none at all: attributes are read before
/// there is a program.
fn expected(value: &Expr, wanted: &str, example: &str) -> syn::Error {
    let is_word = |path: &Path| {
        path.get_ident()
            .is_some_and(|word| word.to_string().starts_with(|letter: char| letter.is_lowercase()))
    };
    let computed = match value {
        // A word without its quotes.
        Expr::Path(path) if is_word(&path.path) => false,
        Expr::Path(_) | Expr::Call(_) | Expr::Macro(_) | Expr::MethodCall(_) | Expr::Binary(_) => true,
        _ => false,
    };
    let unit = match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => with_unit(number, example),
        _ => None,
    };
    let message = match computed {
        _ if unit.is_some() => format!("a duration has a unit: write `{}`", unit.unwrap_or_default()),
        true => format!("an attribute computes nothing: write the value out, `{example}`"),
        false => format!("expected {wanted}: `{example}`"),
    };
    syn::Error::new_spanned(value, message)
}

/// A number where a duration stands in the example, as one of so many seconds.
fn with_unit(number: &LitInt, example: &str) -> Option<String> {
    let (key, value) = example.split_once(" = ")?;
    tasker_template::duration_ms(value.trim_matches('"'))?;
    Some(format!("{key} = \"{}s\"", number.base10_digits()))
}

fn in_range(number: &LitInt, range: &std::ops::RangeInclusive<u32>) -> Option<u32> {
    number.base10_parse().ok().filter(|value| range.contains(value))
}

/// The identifier of `key = Name`.
///
/// # Errors
/// Where it is none; `example` is what to write.
pub(crate) fn ident(meta: &Meta, example: &str) -> syn::Result<syn::Ident> {
    match value(meta, example)? {
        Expr::Path(path) if path.qself.is_none() && path.path.get_ident().is_some() => {
            path.path.require_ident().cloned()
        }
        other => Err(syn::Error::new_spanned(other, format!("expected a name: `{example}`"))),
    }
}

/// The path of `key = some::path`.
///
/// # Errors
/// Where it is none; `example` is what to write.
pub(crate) fn path(meta: &Meta, example: &str) -> syn::Result<Path> {
    match value(meta, example)? {
        Expr::Path(path) if path.qself.is_none() => Ok(path.path.clone()),
        other => Err(syn::Error::new_spanned(other, format!("expected a path: `{example}`"))),
    }
}

/// Where the runtime is found, if `#[name(crate = path)]` above a type says it.
pub(crate) fn krate(name: &str, attrs: &[Attribute], errors: &mut Errors) -> Option<Path> {
    const EXAMPLE: &str = "crate = my_crate::tasker_runtime";
    let mut krate = None;
    for attribute in attrs.iter().filter(|attribute| attribute.path().is_ident(name)) {
        let Meta::List(list) = &attribute.meta else {
            errors.at(attribute, format!("say something: `#[{name}({EXAMPLE})]`"));
            continue;
        };
        for (_, meta) in read(&format!("`#[{name}]`"), list.tokens.clone(), &["crate"], errors) {
            krate = errors.take(path(&meta, EXAMPLE));
        }
    }
    krate
}

/// Text or a path, the two ways to name a step.
pub(crate) enum Name {
    /// By text.
    Text(LitStr),
    /// By path.
    Path(Path),
}

impl Parse for Name {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            input.parse().map(Self::Text)
        } else {
            input.call(Path::parse_mod_style).map(Self::Path)
        }
    }
}

/// The text of `key = "text"`, with something in it.
///
/// # Errors
/// Where it is none; `example` is what to write.
pub(crate) fn filled(meta: &Meta, example: &str) -> syn::Result<LitStr> {
    let text = text(meta, example)?;
    if text.value().trim().is_empty() {
        return Err(syn::Error::new_spanned(
            text,
            format!("this is empty: write `{example}`, or leave the option out"),
        ));
    }
    Ok(text)
}

/// A namespace.
///
/// # Errors
/// Where it is none.
pub(crate) fn namespace(meta: &Meta) -> syn::Result<LitStr> {
    let namespace = filled(meta, "namespace = \"shop\"")?;
    match crate::names::template(&namespace.value(), "namespace") {
        Ok(()) => Ok(namespace),
        Err(message) => Err(syn::Error::new_spanned(namespace, message)),
    }
}

/// `after(validate, reserve)`.
///
/// # Errors
/// Where it has another form.
pub(crate) fn after(meta: &Meta) -> syn::Result<Vec<Path>> {
    const EXAMPLE: &str = "name the steps it comes after: `after(validate)`";
    let Meta::List(list) = meta else { return Err(syn::Error::new_spanned(meta, EXAMPLE)) };
    let paths = list.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated);
    let texts = || list.parse_args_with(Punctuated::<LitStr, Token![,]>::parse_terminated).ok();
    let paths = paths.map_err(|error| match texts().and_then(|texts| texts.first().cloned()) {
        Some(text) => {
            let message =
                format!("a step is named by its function, without quotes: write `{}`", text.value());
            syn::Error::new_spanned(text, message)
        }
        None => syn::Error::new(error.span(), EXAMPLE),
    })?;
    if paths.is_empty() {
        return Err(syn::Error::new_spanned(meta, EXAMPLE));
    }
    Ok(paths.into_iter().collect())
}

/// A semantic version: three numbers, and perhaps more after `-` or `+`.
///
/// # Errors
/// Where it is none.
pub(crate) fn version(meta: &Meta) -> syn::Result<LitStr> {
    let version = filled(meta, "version = \"1.0.0\"")?;
    match semver::Version::parse(&version.value()) {
        Ok(_) => Ok(version),
        Err(_) => {
            let message =
                format!("`{}` is not a semantic version: write three numbers, `1.0.0`", version.value());
            Err(syn::Error::new_spanned(version, message))
        }
    }
}
