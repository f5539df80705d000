//! From tokens to a workflow, and the rules of its options.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, LitStr, Meta, Path, Token, Visibility, bracketed};

use crate::errors::Errors;
use crate::{options, words};

const KNOWN: [&str; 5] = ["namespace", "version", "description", "on_failure", "crate"];

const FORM: &str = "write `workflow!(checkout = [validate, charge])`";

/// A workflow and its options.
pub(super) struct Workflow {
    pub(super) attrs: Vec<Attribute>,
    pub(super) vis: Visibility,
    pub(super) ident: Ident,
    pub(super) steps: Vec<Path>,
    pub(super) namespace: Option<LitStr>,
    pub(super) version: Option<LitStr>,
    pub(super) description: Option<LitStr>,
    /// The variant.
    pub(super) on_failure: Option<Ident>,
    pub(super) krate: Option<Path>,
}

struct Input {
    attrs: Vec<Attribute>,
    vis: Visibility,
    ident: Ident,
    steps: Punctuated<Path, Token![,]>,
    options: TokenStream,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let ident = input
            .parse()
            .map_err(|error| syn::Error::new(error.span(), format!("a workflow has a name: {FORM}")))?;
        input.parse::<Token![=]>().map_err(|error| syn::Error::new(error.span(), FORM))?;
        if !input.peek(syn::token::Bracket) {
            return Err(syn::Error::new(input.span(), format!("a workflow is a list of steps: {FORM}")));
        }
        let list;
        bracketed!(list in input);
        let steps = list.parse_terminated(Path::parse_mod_style, Token![,]).map_err(|error| {
            let message = format!("a workflow lists its handlers, with commas between: {FORM}");
            syn::Error::new(error.span(), message)
        })?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        Ok(Self { attrs, vis, ident, steps, options: input.parse()? })
    }
}

/// Reads a workflow; `None` where the form is another.
pub(super) fn workflow(input: TokenStream, errors: &mut Errors) -> Option<Workflow> {
    let Input { attrs, vis, ident, steps, options } = errors.take(syn::parse2(input))?;
    if steps.is_empty() {
        errors.at(&ident, format!("workflow `{ident}` has no steps: {FORM}"));
    }
    is_name(&ident, errors);
    is_listed_once(&ident, &steps, errors);
    let mut read = Workflow {
        attrs,
        vis,
        ident,
        steps: steps.into_iter().collect(),
        namespace: None,
        version: None,
        description: None,
        on_failure: None,
        krate: None,
    };
    for (key, meta) in options::read("`workflow!`", options, &KNOWN, errors) {
        match key.as_str() {
            "namespace" => read.namespace = errors.take(options::namespace(&meta)),
            "version" => read.version = errors.take(options::version(&meta)),
            "description" => read.description = errors.take(options::text(&meta, "description = \"…\"")),
            "on_failure" => read.on_failure = errors.take(on_failure(&meta)),
            _ => read.krate = errors.take(options::path(&meta, "crate = my_crate::tasker_runtime")),
        }
    }
    Some(read)
}

fn is_name(ident: &Ident, errors: &mut Errors) {
    let name = ident.unraw().to_string();
    if !name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_') {
        errors.at(ident, format!("the name of a workflow has only a-z, 0-9 and _, and this is `{name}`"));
    }
}

/// The same path twice; the same step under two paths is found later.
fn is_listed_once(ident: &Ident, steps: &Punctuated<Path, Token![,]>, errors: &mut Errors) {
    let mut seen: std::collections::HashSet<&Path> = std::collections::HashSet::new();
    for step in steps {
        if !seen.insert(step) {
            let name = step.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
            errors.at(step, format!("workflow `{ident}`: step `{name}` is listed twice: remove one"));
        }
    }
}

fn on_failure(meta: &Meta) -> syn::Result<Ident> {
    const WORDS: [(&str, &str); 3] = [("block", "Block"), ("compensate", "Compensate"), ("fail", "Fail")];
    let text = options::text(meta, "on_failure = \"block\"")?;
    let written = text.value();
    match WORDS.iter().find(|(word, _)| *word == written) {
        Some((_, variant)) => Ok(Ident::new(variant, text.span())),
        None => {
            let instead = words::instead(&written, &WORDS.map(|pair| pair.0));
            Err(syn::Error::new_spanned(text, format!("`on_failure` cannot be `{written}`: {instead}")))
        }
    }
}
