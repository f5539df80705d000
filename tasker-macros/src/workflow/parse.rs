//! From tokens to a workflow, and the rules of its options.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, LitStr, Meta, Path, Token, Type, Visibility, bracketed};

use crate::errors::Errors;
use crate::{names, options, words};

const KNOWN: [&str; 7] = ["namespace", "version", "description", "on_failure", "input", "marker", "crate"];

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
    steps: Punctuated<Path, Token![,]>,
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
        let steps = steps(&list)?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        Ok(Self { attrs, vis, ident, steps, options: input.parse()? })
    }
}

/// The steps of the list.
fn steps(list: ParseStream<'_>) -> syn::Result<Punctuated<Path, Token![,]>> {
    let list_form = |span| {
        let message = format!("a workflow lists its handlers, with commas between: {FORM}");
        syn::Error::new(span, message)
    };
    let mut steps = Punctuated::new();
    while !list.is_empty() {
        if let Ok(text) = list.fork().parse::<LitStr>() {
            let message =
                format!("a step is named by its function, without quotes: write `{}`", text.value());
            return Err(syn::Error::new(text.span(), message));
        }
        steps.push_value(list.call(Path::parse_mod_style).map_err(|error| list_form(error.span()))?);
        if list.is_empty() {
            break;
        }
        if list.peek(Token![->]) || list.peek(Token![=>]) || list.peek(Token![>]) {
            let message = "which step waits for which is said by `#[depends_on(..)]` at their parameters: write \
                           commas between the steps";
            return Err(syn::Error::new(list.span(), message));
        }
        steps.push_punct(list.parse().map_err(|_| list_form(list.span()))?);
    }
    Ok(steps)
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
            "marker" => read.marker = errors.take(options::ident(&meta, "marker = CheckoutWorkflow")),
            "input" => errors.at(&meta, "expected the type of the context: `input = Order`"),
            _ => read.krate = errors.take(options::path(&meta, "crate = my_crate::tasker_runtime")),
        }
    }
    Some(read)
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

/// A workflow and a step of it have names of their own.
fn is_no_step(read: &Workflow, errors: &mut Errors) {
    let Workflow { ident, steps, .. } = read;
    if steps.iter().any(|step| step.get_ident().is_some_and(|step| step.unraw() == ident.unraw())) {
        let message = format!(
            "`{ident}` is a step of this workflow, which needs a name of its own: write `{ident}_workflow`"
        );
        errors.at(ident, message);
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
