//! `concurrency(…)` of a workflow: how many of its tasks run at once.

use proc_macro2::Ident;
use syn::{LitStr, Meta};

use crate::errors::Errors;
use crate::{options, words};

const KNOWN: [&str; 3] = ["limit", "key", "on_conflict"];

const FORM: &str = "concurrency(key = \"$.customer\", limit = 1)";

/// How many tasks run at once.
pub(super) struct Concurrency {
    /// The field of the context whose value they share.
    pub(super) key: Option<LitStr>,
    pub(super) limit: u32,
    /// The variant.
    pub(super) on_conflict: Ident,
}

/// Reads the option; `None` where it has mistakes.
pub(super) fn read(meta: &Meta, errors: &mut Errors) -> Option<Concurrency> {
    let Meta::List(list) = meta else {
        errors.at(meta, format!("a limit has options of its own: `{FORM}`"));
        return None;
    };
    let (mut key, mut limit) = (None, None);
    let mut on_conflict = Ident::new("Queue", proc_macro2::Span::call_site());
    let before = errors.is_empty();
    for (name, meta) in options::read("`concurrency`", list.tokens.clone(), &KNOWN, errors) {
        match &*name {
            "limit" => limit = errors.take(options::number(&meta, "limit = 1", 1..=1_000_000)),
            "key" => key = errors.take(field(&meta)),
            _ => on_conflict = errors.take(word(&meta)).unwrap_or(on_conflict),
        }
    }
    if limit.is_none() && (before == errors.is_empty()) {
        errors.at(&list.path, format!("say how many: `{FORM}`"));
    }
    Some(Concurrency { key, limit: limit?, on_conflict })
}

/// The way to a field of the context.
fn field(meta: &Meta) -> syn::Result<LitStr> {
    let text = options::text(meta, "key = \"$.customer\"")?;
    match tasker_template::context_path(&text.value()) {
        Some(_) => Ok(text),
        None => {
            let bare = text.value().trim_matches(['$', '.']).to_owned();
            let bare = if bare.is_empty() { "customer" } else { &bare };
            let message = format!("a key is the value of a field of the context: write `key = \"$.{bare}\"`");
            Err(syn::Error::new_spanned(text, message))
        }
    }
}

fn word(meta: &Meta) -> syn::Result<Ident> {
    const WORDS: [(&str, &str); 3] =
        [("queue", "Queue"), ("skip", "Skip"), ("cancel_running", "CancelRunning")];
    let text = options::text(meta, "on_conflict = \"queue\"")?;
    let written = text.value();
    match WORDS.iter().find(|(word, _)| *word == written) {
        Some((_, variant)) => Ok(Ident::new(variant, text.span())),
        None => {
            let instead = words::instead(&written, &WORDS.map(|pair| pair.0));
            Err(syn::Error::new_spanned(text, format!("`on_conflict` cannot be `{written}`: {instead}")))
        }
    }
}
