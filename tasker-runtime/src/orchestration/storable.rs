//! Forms of what attempts come to that a database can hold.
//!
//! A database in another encoding than UTF-8 has no place for some characters, and none has room for a text of
//! any length. An attempt is recorded all the same: escaped where that loses nothing, shortened with a note that
//! says so, or as the bare fact that it failed.

use serde_json::{Value, json};

use super::append::{Content, Entry};
use crate::{
    model::{Json, Round, StepError},
    store::Error,
};

/// The longest text of an error, and the largest context of one, that is stored, in bytes.
pub(super) const MAX_ERROR_BYTES: usize = 64 << 10;

/// The error as it is stored: with its whole text and context where these are short enough and are JSON at all.
pub(super) fn error(error: &StepError) -> Json {
    let short = error.message().len() <= MAX_ERROR_BYTES && error.code().len() <= MAX_CODE_BYTES;
    match Json::of(error) {
        Ok(json) if short && json.as_str().len() <= MAX_ERROR_BYTES => json,
        _ => shortened(error),
    }
}

/// The longest code of an error that is stored, in bytes.
const MAX_CODE_BYTES: usize = 255;

fn shortened(error: &StepError) -> Json {
    let context = error.context().map(|context| match Json::of(context) {
        Ok(json) if json.as_str().len() > MAX_ERROR_BYTES => {
            let bytes = json.as_str().len();
            Value::String(format!("left out: {bytes} bytes, at most {MAX_ERROR_BYTES} are stored"))
        }
        // One level deeper than a context may be on its own.
        Ok(json) if Json::of(&[json.to_value()]).is_err() => left_out("nested too deeply"),
        Ok(_) => context.clone(),
        Err(problem) => left_out(&problem.to_string()),
    });
    let mut fields = json!({
        "retryable": error.is_retryable(),
        "code": cut(error.code(), MAX_CODE_BYTES),
        "message": cut(error.message(), MAX_ERROR_BYTES),
    });
    if let Some(context) = context {
        fields["context"] = context;
    }
    if let Some(delay) = error.retry_after() {
        fields["retry_after_ms"] = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX).into();
    }
    Json::of(&fields).unwrap_or_else(|_| bare(error, "its text could not be stored"))
}

fn left_out(problem: &str) -> Value {
    Value::String(format!("left out: {problem}"))
}

/// The first `most` bytes of a text, with a note where there are more.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default();
    format!("{} … (the first {end} of {} bytes)", &text[..end], text.len())
}

/// That an attempt failed, in letters every database knows.
fn bare(error: &StepError, note: &str) -> Json {
    let code: String = error.code().chars().filter(char::is_ascii_graphic).take(MAX_CODE_BYTES).collect();
    let code = if code.is_empty() { "UNSTORABLE_ERROR".to_owned() } else { code };
    let error = match error.is_retryable() {
        true => StepError::retryable(code, note),
        false => StepError::permanent(code, note),
    };
    Json::of(&error).unwrap_or_else(|_| Json::null())
}

/// The forms to try, one after the other, for an entry that was refused as it came, and whether each says all
/// that the entry does. An attempt that succeeded has failed for good if no form of its result can be stored.
pub(super) fn forms(entry: &Entry, refusal: &Error) -> Vec<(Entry, bool)> {
    // What is published says mostly what is recorded.
    let published = || entry.published.clone().map(|published| Box::new(published.escaped()));
    let with = |content| Entry { content, published: published(), ..entry.clone() };
    let mut forms = Vec::new();
    let mut add_escaped = |json: &Json, content: &dyn Fn(Json) -> Content| {
        let escaped = json.escaped();
        if escaped != *json || entry.published.is_some() {
            forms.push((with(content(escaped)), true));
        }
    };
    match &entry.content {
        Content::Result(kind, result) => {
            add_escaped(result, &|json| Content::Result(*kind, json));
            let why = format!("the store cannot hold the result of this step: {refusal}");
            let mut failed = entry.clone().failed_instead(&StepError::permanent("RESULT_REFUSED", why));
            failed.published = failed.published.map(|published| Box::new(published.escaped()));
            if let Content::Failure { error, .. } = &mut failed.content {
                *error = error.escaped();
            }
            forms.push((failed, false));
        }
        Content::Round { round, due } => {
            let Round { number, state } = round;
            add_escaped(state, &|state| Content::Round {
                round: Round { number: *number, state },
                due: *due,
            });
            let why = format!("the store cannot hold the state of the next round: {refusal}");
            forms.push((entry.clone().failed_instead(&StepError::permanent("STATE_REFUSED", why)), false));
        }
        Content::Failure { error, retry_at } => {
            add_escaped(error, &|error| Content::Failure { error, retry_at: *retry_at });
            let note = format!("its text could not be stored: {}", refusal.code().unwrap_or_default());
            if let Ok(known) = error.parse::<StepError>() {
                let error = bare(&known, &note);
                forms.push((with(Content::Failure { error, retry_at: *retry_at }), false));
            }
        }
    }
    forms
}
