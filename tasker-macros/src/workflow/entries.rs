//! What stands in the list of a workflow: steps, other workflows, and conditions on both.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, quote};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, LitStr, Meta, Path, Token, parenthesized};

use super::parse::FORM;
use crate::{place, words};

/// One entry of the list.
pub(super) struct Entry {
    pub(super) what: What,
    /// The conditions it stands under, each as it is written.
    pub(super) conditions: Vec<TokenStream>,
    /// As it is written, without its conditions.
    pub(super) tokens: TokenStream,
}

/// What an entry is.
pub(super) enum What {
    /// A step.
    Step(Step),
    /// All steps of another workflow.
    Steps(Path),
}

/// A step of a workflow.
pub(super) struct Step {
    /// Its handler.
    pub(super) handler: Path,
    /// Its name, where that is another one.
    pub(super) alias: Option<Ident>,
    /// The steps that it waits for without reading them.
    pub(super) after: Vec<Path>,
}

impl Entry {
    /// The step that it is.
    pub(super) fn step(&self) -> Option<&Step> {
        match &self.what {
            What::Step(step) => Some(step),
            What::Steps(_) => None,
        }
    }
}

impl Step {
    /// Whether it is a function without the attribute that makes it a step.
    pub(super) fn is_unmarked(&self) -> bool {
        self.handler.get_ident().is_some_and(place::is_unmarked)
    }

    /// The name it has here, as far as that is known without its handler: that of the function, unless it is
    /// registered under another one.
    pub(super) fn name(&self) -> String {
        let last = self.handler.segments.last().map(|last| &last.ident);
        self.alias.as_ref().or(last).map(|ident| ident.unraw().to_string()).unwrap_or_default()
    }
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let conditions =
            input.call(Attribute::parse_outer)?.iter().map(condition).collect::<syn::Result<_>>()?;
        if let Ok(text) = input.fork().parse::<LitStr>() {
            let message =
                format!("a step is named by its function, without quotes: write `{}`", text.value());
            return Err(syn::Error::new(text.span(), message));
        }
        let list_form = |error: syn::Error| {
            let message = format!("a workflow lists its handlers, with commas between: {FORM}");
            syn::Error::new(error.span(), message)
        };
        if let Some(dots) = input.parse::<Option<Token![..]>>()? {
            let path = input.call(Path::parse_mod_style).map_err(|error| {
                let message = "after the dots stands another workflow, whose steps are meant: `..payments`";
                syn::Error::new(error.span(), message)
            })?;
            return Ok(Self { conditions, tokens: quote!(#dots #path), what: What::Steps(path) });
        }
        let handler = input.call(Path::parse_mod_style).map_err(list_form)?;
        let mut tokens = handler.to_token_stream();
        let mut step = Step { handler, alias: None, after: Vec::new() };
        if let Some(word) = input.parse::<Option<Token![as]>>()? {
            let alias: Ident = input.parse().map_err(|error| {
                let message = "a step is given another name as a path is: `ship as ship_again`";
                syn::Error::new(error.span(), message)
            })?;
            tokens.extend(quote!(#word #alias));
            step.alias = Some(alias);
        }
        if input.peek(syn::token::Paren) {
            let options;
            parenthesized!(options in input);
            let written: TokenStream = options.fork().parse()?;
            tokens.extend(quote!((#written)));
            step.after = after(&options)?;
        }
        Ok(Self { conditions, tokens, what: What::Step(step) })
    }
}

/// What a condition asks for.
fn condition(attribute: &Attribute) -> syn::Result<TokenStream> {
    match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => Ok(list.tokens.clone()),
        _ => {
            let message =
                "an entry of a workflow can only be conditional: `#[cfg(feature = \"fraud\")] fraud`";
            Err(syn::Error::new_spanned(attribute, message))
        }
    }
}

/// The options of a step: `after(refund, notify)`.
fn after(options: ParseStream<'_>) -> syn::Result<Vec<Path>> {
    const OPTION: &str = "a step may say what it waits for without reading it: `ship(after(refund))`";
    let key = options.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), OPTION))?;
    if key != "after" {
        let instead = words::instead(&key.to_string(), &["after"]);
        return Err(syn::Error::new(key.span(), format!("a step has no option `{key}` here: {instead}")));
    }
    if !options.peek(syn::token::Paren) {
        return Err(syn::Error::new(key.span(), OPTION));
    }
    let list;
    parenthesized!(list in options);
    let mut after: Vec<Path> = Vec::new();
    while !list.is_empty() {
        let path = list.call(Path::parse_mod_style).map_err(|error| syn::Error::new(error.span(), OPTION))?;
        if after.contains(&path) {
            let name = path.segments.last().map(|last| last.ident.unraw().to_string()).unwrap_or_default();
            return Err(syn::Error::new_spanned(path, format!("`{name}` is listed twice: keep one")));
        }
        after.push(path);
        if !list.is_empty() {
            list.parse::<Token![,]>().map_err(|error| syn::Error::new(error.span(), OPTION))?;
        }
    }
    options.parse::<Option<Token![,]>>()?;
    match (options.is_empty(), after.is_empty()) {
        (false, _) => Err(options.error(OPTION)),
        (true, true) => Err(syn::Error::new(key.span(), OPTION)),
        (true, false) => Ok(after),
    }
}
