//! `schedule(…)` of a workflow: checked while the program is compiled, by the rules that files keep.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use serde_json::{Map, Value};
use syn::{Expr, ExprLit, Lit, Meta};
use tasker_template::Schedule;

use crate::errors::Errors;
use crate::options;

const KNOWN: [&str; 11] =
    ["cron", "every", "timezone", "input", "name", "jitter", "start", "end", "overlap", "catch_up", "paused"];

const FORM: &str = "schedule(cron = \"0 6 * * mon\", timezone = \"Europe/Berlin\")";

/// The JSON of a schedule; `None` where it has mistakes.
pub(super) fn read(meta: &Meta, errors: &mut Errors) -> Option<String> {
    let Meta::List(list) = meta else {
        errors.at(meta, format!("a schedule has options of its own: `{FORM}`"));
        return None;
    };
    let mut json = Map::new();
    let mut places: Vec<(String, TokenStream)> = Vec::new();
    for (key, meta) in options::read("`schedule`", list.tokens.clone(), &KNOWN, errors) {
        let value = errors.take(value(&key, &meta))?;
        if let Meta::NameValue(pair) = &meta {
            places.push((key.clone(), pair.value.to_token_stream()));
        }
        json.insert(key, value);
    }
    if !errors.is_empty() {
        return None;
    }
    match Schedule::from_json("", Value::Object(json.clone())) {
        Ok(_) => Some(Value::Object(json).to_string()),
        Err(report) => {
            for mistake in report.mistakes {
                let key = mistake.path.split(['.', '[']).next().unwrap_or_default();
                let place = places.iter().find(|(known, _)| known == key).map(|(_, place)| place);
                let help = match mistake.help {
                    Some(_) if mistake.path.is_empty() => format!(": write `{FORM}`"),
                    Some(help) => format!(": {}", help.replace("timezone: ", "timezone = ")),
                    None => String::new(),
                };
                errors
                    .at(place.unwrap_or(&list.path.to_token_stream()), format!("{}{help}", mistake.message));
            }
            None
        }
    }
}

/// The value of an option, as a file says it.
fn value(key: &str, meta: &Meta) -> syn::Result<Value> {
    match key {
        "paused" => match options::value(meta, "paused = true")? {
            Expr::Lit(ExprLit { lit: Lit::Bool(paused), .. }) => Ok(paused.value.into()),
            other => Err(syn::Error::new_spanned(other, "expected `paused = true` or `paused = false`")),
        },
        "input" => {
            let text = options::text(meta, "input = \"{}\"")?;
            serde_json::from_str(&text.value()).map_err(|error| {
                let message =
                    format!("the input is written as JSON, `input = \"{{}}\"`, and this is none: {error}");
                syn::Error::new_spanned(text, message)
            })
        }
        _ => options::text(meta, &format!("{key} = \"…\"")).map(|text| text.value().into()),
    }
}
