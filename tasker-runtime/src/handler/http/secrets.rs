//! What must never be shown: the values of variables that went into requests, and the credentials that handlers
//! add to them. Servers repeat them, in errors and elsewhere.

use serde_json::Value;

/// Anything shorter is not a secret, and to hide it would hide everything.
const SHORTEST: usize = 4;

/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// The secrets of an endpoint or a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets {
    /// Each in every form it may have in a text, the longest first: one may be a part of another.
    forms: Vec<String>,
}

impl Secrets {
    /// These and more.
    pub(super) fn with(&self, more: impl IntoIterator<Item = String>) -> Self {
        let mut forms = self.forms.clone();
        for secret in more.into_iter().filter(|secret| secret.len() >= SHORTEST) {
            forms.extend([in_url(&secret), in_json(&secret), in_json(&secret).replace('/', "\\/"), secret]);
        }
        // Some are hardly anything as a path.
        forms.retain(|form| form.len() >= SHORTEST);
        forms.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self { forms }
    }

    /// The length of the longest form, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.forms.first().map_or(0, String::len)
    }

    /// The text without them.
    pub(super) fn hidden_in(&self, mut text: String) -> String {
        for form in &self.forms {
            if text.contains(form.as_str()) {
                text = text.replace(form.as_str(), HIDDEN);
            }
        }
        text
    }

    /// The beginning of a body as text without them, of `bytes` bytes or a little more: a secret that begins
    /// before its end is hidden whole.
    pub(super) fn hidden_start(&self, body: &[u8], bytes: usize) -> String {
        let most = body.len().min(bytes + self.longest() + 4);
        self.hidden_in(String::from_utf8_lossy(&body[..most]).into_owned())
    }

    /// The value without them, however its text was escaped.
    pub(super) fn hidden_in_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.hidden_in(text)),
            Value::Array(values) => values.into_iter().map(|value| self.hidden_in_value(value)).collect(),
            Value::Object(fields) => {
                let hidden = |(name, value)| (self.hidden_in(name), self.hidden_in_value(value));
                Value::Object(fields.into_iter().map(hidden).collect())
            }
            Value::Number(number) if self.hidden_in(number.to_string()).contains(HIDDEN) => HIDDEN.into(),
            plain => plain,
        }
    }
}

/// As it stands in the path of a URL.
fn in_url(secret: &str) -> String {
    let Ok(mut probe) = reqwest::Url::parse("http://x") else { return secret.to_owned() };
    probe.set_path(secret);
    probe.path().trim_start_matches('/').to_owned()
}

/// As it stands between the quotes of a JSON text.
fn in_json(secret: &str) -> String {
    let quoted = Value::from(secret).to_string();
    quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(secret).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(secrets: &[&str]) -> Secrets {
        Secrets::default().with(secrets.iter().map(|&secret| secret.to_owned()))
    }

    #[test]
    fn secret_is_hidden_in_every_form_that_a_text_may_have_it_in() {
        let secrets = of(&["a/b c\"d"]);
        for text in ["x a/b c\"d y", "x a/b%20c%22d y", r#"x a/b c\"d y"#, r#"x a\/b c\"d y"#] {
            assert_eq!(secrets.hidden_in(text.to_owned()), "x *** y", "{text}");
        }
        let value: Value = serde_json::from_str(r#"{"a\u002fb c\"d": ["\u0061/b c\"d", 1]}"#).unwrap();
        assert_eq!(secrets.hidden_in_value(value).to_string(), r#"{"***":["***",1]}"#);
        assert_eq!(of(&["12345"]).hidden_in_value(Value::from(12345)), "***");
    }

    #[test]
    fn secret_that_begins_another_leaves_nothing_of_it() {
        assert_eq!(of(&["token", "token-long"]).hidden_in("token-long token".to_owned()), "*** ***");
        assert_eq!(of(&["abc"]).hidden_in("abcd".to_owned()), "abcd", "too short to be one");
        assert_eq!(of(&["a/.."]).hidden_in("a/b".to_owned()), "a/b", "nothing, as a path");
    }
}
