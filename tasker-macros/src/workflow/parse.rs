//! From tokens to a workflow, and the rules of its options.

use std::collections::HashSet;

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, LitStr, Meta, Path, Token, Type, Visibility, bracketed};

use super::entries::{Entry, Step, What};
use super::limits::{self, Concurrency};
use super::schedule;
use crate::errors::Errors;
use crate::{names, options, words};

const KNOWN: [&str; 9] = [
    "namespace",
    "version",
    "description",
    "on_failure",
    "concurrency",
    "schedule",
    "input",
    "marker",
    "crate",
];

pub(super) const FORM: &str = "write `workflow!(checkout = [validate, charge])`";

/// A workflow and its options.
pub(super) struct Workflow {
    pub(super) attrs: Vec<Attribute>,
    pub(super) vis: Visibility,
    pub(super) ident: Ident,
    pub(super) entries: Vec<Entry>,
    /// Everything after the list, as it is written.
    pub(super) rest: TokenStream,
    pub(super) namespace: Option<LitStr>,
    pub(super) version: Option<LitStr>,
    pub(super) description: Option<LitStr>,
    /// The variant.
    pub(super) on_failure: Option<Ident>,
    /// How many tasks run at once.
    pub(super) concurrency: Option<Concurrency>,
    /// When tasks start by themselves, as JSON.
    pub(super) schedule: Option<String>,
    /// The type of the context, where it is said.
    pub(super) input: Option<Type>,
    /// The type behind the name, where that is taken.
    pub(super) marker: Option<Ident>,
    pub(super) krate: Option<Path>,
}

struct Input {
    attrs: Vec<Attribute>,
    vis: Visibility,
    ident: Ident,
    entries: Vec<Entry>,
    options: TokenStream,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        if let Ok(text) = input.fork().parse::<LitStr>() {
            let message = format!("the name of a workflow stands without quotes: {FORM}");
            return Err(syn::Error::new(text.span(), message));
        }
        let ident: Ident = input
            .parse()
            .map_err(|error| syn::Error::new(error.span(), format!("a workflow has a name: {FORM}")))?;
        if input.peek(Token![-]) {
            let message = format!("a name in code has no hyphen: write `_` in its place, `{ident}_…`");
            return Err(syn::Error::new(input.span(), message));
        }
        input.parse::<Token![=]>().map_err(|error| syn::Error::new(error.span(), FORM))?;
        if !input.peek(syn::token::Bracket) {
            return Err(syn::Error::new(input.span(), format!("a workflow is a list of steps: {FORM}")));
        }
        let list;
        bracketed!(list in input);
        let entries = entries(&list)?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        Ok(Self { attrs, vis, ident, entries, options: input.parse()? })
    }
}

/// The entries of the list.
fn entries(list: ParseStream<'_>) -> syn::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    while !list.is_empty() {
        entries.push(list.parse()?);
        if list.is_empty() {
            break;
        }
        if list.peek(Token![->]) || list.peek(Token![=>]) || list.peek(Token![>]) {
            let message = "which step waits for which is said by `#[depends_on(..)]` at their parameters: write \
                           commas between the steps";
            return Err(syn::Error::new(list.span(), message));
        }
        list.parse::<Token![,]>().map_err(|_| {
            let message = format!("a workflow lists its handlers, with commas between: {FORM}");
            syn::Error::new(list.span(), message)
        })?;
    }
    Ok(entries)
}

impl Workflow {
    /// The steps that are written in the list.
    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.entries.iter().filter_map(Entry::step)
    }

    /// Whether an entry stands under a condition.
    pub(super) fn is_conditional(&self) -> bool {
        self.entries.iter().any(|entry| !entry.conditions.is_empty())
    }
}

/// Reads a workflow; `None` where the form is another.
pub(super) fn workflow(input: TokenStream, errors: &mut Errors) -> Option<Workflow> {
    let Input { attrs, vis, ident, entries, options } = errors.take(syn::parse2(input))?;
    if entries.is_empty() {
        errors.at(&ident, format!("workflow `{ident}` has no steps: {FORM}"));
    }
    is_name(&ident, errors);
    are_steps(&entries, errors);
    is_listed_once(&ident, &entries, errors);
    let mut read = Workflow {
        attrs,
        vis,
        ident,
        entries,
        rest: options.clone(),
        namespace: None,
        version: None,
        description: None,
        on_failure: None,
        concurrency: None,
        schedule: None,
        input: None,
        marker: None,
        krate: None,
    };
    let (options, input) = options::without_type(options, "input");
    if let Some(input) = input {
        read.input = errors.take(input_type(input));
    }
    is_no_step(&read, errors);
    for (key, meta) in options::read("`workflow!`", options, &KNOWN, errors) {
        match key.as_str() {
            "namespace" => read.namespace = errors.take(options::namespace(&meta)),
            "version" => read.version = errors.take(options::version(&meta)),
            "description" => read.description = errors.take(options::text(&meta, "description = \"…\"")),
            "on_failure" => read.on_failure = errors.take(on_failure(&meta)),
            "concurrency" => read.concurrency = limits::read(&meta, errors),
            "schedule" => read.schedule = schedule::read(&meta, errors),
            "marker" => read.marker = errors.take(options::ident(&meta, "marker = CheckoutWorkflow")),
            "input" => errors.at(&meta, "expected the type of the context: `input = Order`"),
            _ => read.krate = errors.take(options::path(&meta, "crate = my_crate::tasker_runtime")),
        }
    }
    Some(read)
}

/// A function without the attribute is no step.
fn are_steps(entries: &[Entry], errors: &mut Errors) {
    for step in entries.iter().filter_map(Entry::step) {
        if let Some(name) = step.handler.get_ident().filter(|_| step.is_unmarked()) {
            errors.at(name, words::unmarked(name));
        }
    }
}

fn is_name(ident: &Ident, errors: &mut Errors) {
    if let Err(message) = names::template(&ident.unraw().to_string(), "name") {
        errors.at(ident, format!("{message}: call the workflow something else"));
    }
}

/// The type of the context.
fn input_type(tokens: TokenStream) -> syn::Result<Type> {
    syn::parse2(tokens.clone())
        .map_err(|_| syn::Error::new_spanned(tokens, "expected the type of the context: `input = Order`"))
}

/// A workflow and a step of it have names of their own, and no workflow is a part of itself.
fn is_no_step(read: &Workflow, errors: &mut Errors) {
    let ident = &read.ident;
    let is_own = |path: &Path| path.get_ident().is_some_and(|path| path.unraw() == ident.unraw());
    if read.steps().any(|step| is_own(&step.handler)) {
        let message = format!(
            "`{ident}` is a step of this workflow, which needs a name of its own: write `{ident}_workflow`"
        );
        errors.at(ident, message);
    }
    for entry in &read.entries {
        if let What::Steps(path) = &entry.what
            && is_own(path)
        {
            errors.at(path, format!("workflow `{ident}` cannot be a part of itself"));
        }
    }
}

/// The same name twice, unless conditions may leave one out; the same step under two paths is found later.
fn is_listed_once(ident: &Ident, entries: &[Entry], errors: &mut Errors) {
    let mut seen: HashSet<String> = HashSet::new();
    for entry in entries.iter().filter(|entry| entry.conditions.is_empty()) {
        let (place, key, what) = match &entry.what {
            What::Step(Step { alias: Some(alias), .. }) => {
                if let Err(message) = names::step(&alias.unraw().to_string(), "name") {
                    errors.at(alias, format!("{message}: call the step something else"));
                }
                (alias.to_token_stream(), alias.unraw().to_string(), format!("step `{}`", alias.unraw()))
            }
            What::Step(step) => {
                let key = step.handler.to_token_stream().to_string();
                (step.handler.to_token_stream(), key, format!("step `{}`", step.name()))
            }
            What::Steps(path) => {
                let key = format!("..{}", path.to_token_stream());
                (path.to_token_stream(), key, "another workflow".to_owned())
            }
        };
        if !seen.insert(key) {
            errors.at(place, format!("workflow `{ident}`: {what} is listed twice: remove one"));
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
