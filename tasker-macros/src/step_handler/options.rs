//! What stands in `#[step_handler(…)]`.

use proc_macro2::{Ident, Span, TokenStream};
use syn::spanned::Spanned as _;
use syn::{LitStr, Meta, Path};
use tasker_template::MOST_ROUNDS;

use super::around;
use crate::errors::Errors;
use crate::{duration, options};

const KNOWN: [&str; 14] = [
    "name",
    "namespace",
    "version",
    "description",
    "retry",
    "timeout",
    "queue",
    "concurrency",
    "max_rounds",
    "after",
    "around",
    "errors",
    "marker",
    "crate",
];

const RETRY: [&str; 4] = ["max_attempts", "backoff", "base", "max"];

/// How often a step may be called at most.
const MOST_ATTEMPTS: u32 = 1_000;

/// The options, each as it is written.
#[derive(Default)]
pub(super) struct Options {
    pub(super) name: Option<LitStr>,
    pub(super) namespace: Option<LitStr>,
    pub(super) version: Option<LitStr>,
    pub(super) description: Option<LitStr>,
    pub(super) retry: Retry,
    /// In milliseconds.
    pub(super) timeout: Option<u64>,
    pub(super) queue: Option<LitStr>,
    pub(super) concurrency: Option<u32>,
    /// How many rounds it goes at most, and where that is written.
    pub(super) max_rounds: Option<(u32, Span)>,
    /// The steps it comes after without reading them.
    pub(super) after: Vec<Path>,
    /// What stands around its calls, outermost first.
    pub(super) around: Vec<Path>,
    /// Whether an error that says nothing of another attempt gets none.
    pub(super) permanent: bool,
    pub(super) marker: Option<Ident>,
    pub(super) krate: Option<Path>,
}

/// The options of `retry`.
#[derive(Default)]
pub(crate) struct Retry {
    pub(crate) max_attempts: Option<u32>,
    /// The variant of the backoff.
    pub(crate) backoff: Option<Ident>,
    /// In milliseconds.
    pub(crate) base: Option<u64>,
    /// In milliseconds.
    pub(crate) max: Option<u64>,
}

/// Reads all options that are good; the others are mistakes.
pub(super) fn read(attribute: TokenStream, errors: &mut Errors) -> Options {
    let mut read = Options::default();
    for (key, meta) in options::read("`#[step_handler]`", attribute, &KNOWN, errors) {
        match key.as_str() {
            "name" => read.name = errors.take(name(&meta)),
            "namespace" => read.namespace = errors.take(options::namespace(&meta)),
            "version" => read.version = errors.take(options::version(&meta)),
            "description" => read.description = errors.take(options::text(&meta, "description = \"…\"")),
            "retry" => read.retry = retry(&meta, errors),
            "timeout" => read.timeout = errors.take(timeout(&meta)),
            "queue" => read.queue = errors.take(options::filled(&meta, "queue = \"slow\"")),
            "concurrency" => {
                read.concurrency = errors.take(options::number(&meta, "concurrency = 4", 1..=100_000));
            }
            "max_rounds" => {
                let most = errors.take(options::number(&meta, "max_rounds = 1000", 1..=MOST_ROUNDS));
                read.max_rounds = most.map(|most| (most, meta.span()));
            }
            "after" => read.after = errors.take(options::after(&meta)).unwrap_or_default(),
            "around" => read.around = errors.take(around::read(&meta)).unwrap_or_default(),
            "errors" => read.permanent = errors.take(default_of_errors(&meta)).unwrap_or_default(),
            "marker" => read.marker = errors.take(options::ident(&meta, "marker = ChargeStep")),
            _ => read.krate = errors.take(options::path(&meta, "crate = my_crate::tasker_runtime")),
        }
    }
    read
}

pub(crate) fn name(meta: &Meta) -> syn::Result<LitStr> {
    let name = options::filled(meta, "name = \"charge\"")?;
    match crate::names::handler(&name.value()) {
        Ok(()) => Ok(name),
        Err(message) => Err(syn::Error::new_spanned(name, message)),
    }
}

/// `errors = "permanent"` or `errors = "retryable"`: whether they are permanent.
fn default_of_errors(meta: &Meta) -> syn::Result<bool> {
    const WORDS: [&str; 2] = ["permanent", "retryable"];
    let text = options::text(meta, "errors = \"permanent\"")?;
    let written = text.value();
    if WORDS.contains(&&*written) {
        return Ok(written == "permanent");
    }
    let instead = crate::words::instead(&written, &WORDS);
    Err(syn::Error::new_spanned(text, format!("`errors` cannot be `{written}`: {instead}")))
}

pub(crate) fn timeout(meta: &Meta) -> syn::Result<u64> {
    let text = options::text(meta, "timeout = \"30s\"")?;
    match duration::parse(&text.value()) {
        Ok(0) => Err(syn::Error::new_spanned(text, "a timeout is longer than nothing")),
        Ok(millis) => Ok(millis),
        Err(message) => Err(syn::Error::new_spanned(text, message)),
    }
}

/// `retry = 3` or `retry(max_attempts = 3, …)`.
pub(crate) fn retry(meta: &Meta, errors: &mut Errors) -> Retry {
    const EXAMPLE: &str =
        "retry = 3` or `retry(max_attempts = 3, backoff = \"exponential\", base = \"1s\", max = \"30s\")";
    match meta {
        Meta::NameValue(_) => {
            Retry { max_attempts: errors.take(attempts(meta, "retry = 3")), ..Retry::default() }
        }
        Meta::List(list) if syn::parse2::<syn::LitInt>(list.tokens.clone()).is_ok() => {
            let number = &list.tokens;
            errors.at(list, format!("write `retry = {number}`, or `retry(max_attempts = {number})`"));
            Retry::default()
        }
        Meta::List(list) => {
            let mut read = Retry::default();
            for (key, meta) in options::read("`retry`", list.tokens.clone(), &RETRY, errors) {
                match key.as_str() {
                    "max_attempts" => read.max_attempts = errors.take(attempts(&meta, "max_attempts = 3")),
                    "backoff" => read.backoff = errors.take(backoff(&meta)),
                    "base" => read.base = errors.take(delay(&meta, "base = \"200ms\"")),
                    _ => read.max = errors.take(delay(&meta, "max = \"30s\"")),
                }
            }
            if let (Some(base), Some(max)) = (read.base, read.max)
                && base > max
            {
                errors.at(list, "the first delay, `base`, is longer than the longest, `max`");
            }
            read
        }
        Meta::Path(path) => {
            errors.at(path, format!("expected a value: `{EXAMPLE}`"));
            Retry::default()
        }
    }
}

fn attempts(meta: &Meta, example: &str) -> syn::Result<u32> {
    let value = options::value(meta, example)?;
    if let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(number), .. }) = value
        && number.base10_digits() == "0"
    {
        let message = "every step is tried once: `retry` counts all attempts, write 1 for no second one";
        return Err(syn::Error::new_spanned(value, message));
    }
    options::number(meta, example, 1..=MOST_ATTEMPTS)
}

fn backoff(meta: &Meta) -> syn::Result<Ident> {
    const WORDS: [(&str, &str); 4] =
        [("none", "None"), ("linear", "Linear"), ("exponential", "Exponential"), ("fibonacci", "Fibonacci")];
    let text = options::text(meta, "backoff = \"exponential\"")?;
    let written = text.value();
    match WORDS.iter().find(|(word, _)| *word == written) {
        Some((_, variant)) => Ok(Ident::new(variant, text.span())),
        None => {
            let message = format!(
                "there is no backoff `{written}`: {}",
                crate::words::instead(&written, &WORDS.map(|pair| pair.0))
            );
            Err(syn::Error::new_spanned(text, message))
        }
    }
}

fn delay(meta: &Meta, example: &str) -> syn::Result<u64> {
    let text = options::text(meta, example)?;
    duration::parse(&text.value()).map_err(|message| syn::Error::new_spanned(text, message))
}
