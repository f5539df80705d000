//! Sections `[api.<name>]`: what a deployment says about an API that handlers call.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::ConfigError;
use crate::template::nearest;

/// The keys of a section.
const KEYS: [&str; 4] = ["base_url", "timeout_seconds", "headers", "max_response_bytes"];

/// The largest limit on the size of a response, 1 GiB.
pub(crate) const MOST_BYTES: u64 = 1 << 30;

/// One section `[api.<name>]`. It takes precedence over what the handler's attribute says.
///
/// ```toml
/// [api.payments]
/// base_url = "https://payments.example.org/v1"
/// timeout_seconds = 10
/// headers = { Authorization = "Bearer ${PAYMENTS_TOKEN}" }
/// max_response_bytes = 1048576
/// ```
///
/// `${NAME}` in a URL or a header stands for the environment variable `NAME` of the process that calls:
/// secrets are named here, not written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiSection {
    /// The URL that paths are appended to.
    pub base_url: Option<String>,
    /// How long a call may take, 1 s to 24 h.
    pub timeout: Option<Duration>,
    /// Headers that are sent with every call, by name.
    pub headers: BTreeMap<String, String>,
    /// The largest response that is read, in bytes, 1 to 1,073,741,824.
    pub max_response_bytes: Option<u64>,
}

impl ApiSection {
    /// Reads section `name` of `file`; what is wrong with it goes to `problems`.
    pub(super) fn read(file: &Path, name: &str, table: toml::Table, problems: &mut Vec<ConfigError>) -> Self {
        let wrong = |problem: String| ConfigError::Api {
            place: file.display().to_string(),
            section: name.to_owned(),
            problem,
        };
        let mut section = Self::default();
        for (key, value) in table {
            problems.extend(section.set(&key, value).err().map(wrong));
        }
        section
    }

    fn set(&mut self, key: &str, value: toml::Value) -> Result<(), String> {
        match (key, value) {
            ("base_url", toml::Value::String(url)) => self.base_url = Some(url),
            ("timeout_seconds", value) => {
                self.timeout = Some(Duration::from_secs(number(key, &value, 86_400)?));
            }
            ("max_response_bytes", value) => {
                self.max_response_bytes = Some(number(key, &value, MOST_BYTES)?);
            }
            ("headers", toml::Value::Table(headers)) => {
                for (header, value) in headers {
                    let toml::Value::String(value) = value else {
                        return Err(format!("header `{header}` must be text"));
                    };
                    self.headers.insert(header, value);
                }
            }
            ("base_url", _) => return Err("`base_url` must be text".to_owned()),
            ("headers", _) => {
                return Err("`headers` must be a table: `headers = { Accept = \"text/csv\" }`".to_owned());
            }
            _ => return Err(unknown(key)),
        }
        Ok(())
    }
}

fn number(key: &str, value: &toml::Value, most: u64) -> Result<u64, String> {
    let number = value.as_integer();
    let wrong = || {
        let written =
            number.map_or_else(|| format!("a {}", value.type_str()), |number| format!("`{number}`"));
        format!("`{key}` must be a whole number from 1 to {most}, not {written}")
    };
    let in_range =
        number.and_then(|number| u64::try_from(number).ok()).filter(|number| (1..=most).contains(number));
    in_range.ok_or_else(wrong)
}

fn unknown(key: &str) -> String {
    match nearest(key, KEYS) {
        Some(near) => format!("there is no key `{key}`; did you mean `{near}`?"),
        None => format!("there is no key `{key}`; there are {}", KEYS.join(", ")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ApiSection, String> {
        let mut problems = Vec::new();
        let read =
            ApiSection::read(Path::new("tasker.toml"), "payments", text.parse().unwrap(), &mut problems);
        problems.first().map_or(Ok(read), |problem| Err(problem.to_string()))
    }

    #[test]
    fn section_holds_what_is_written() {
        let section = read(
            "base_url = 'https://x.test'\ntimeout_seconds = 3\nmax_response_bytes = 10\nheaders = { A = 'b' }",
        );
        let section = section.unwrap();
        assert_eq!(section.base_url.as_deref(), Some("https://x.test"));
        assert_eq!(section.timeout, Some(Duration::from_secs(3)));
        assert_eq!(section.max_response_bytes, Some(10));
        assert_eq!(section.headers["A"], "b");
    }

    #[test]
    fn mistakes_name_the_file_the_section_and_what_to_write() {
        for (text, problem) in [
            ("base_ulr = 'x'", "there is no key `base_ulr`; did you mean `base_url`?"),
            ("colour = 1", "there is no key `colour`; there are base_url, timeout_seconds"),
            ("timeout_seconds = 0", "`timeout_seconds` must be a whole number from 1 to 86400, not `0`"),
            ("timeout_seconds = '10s'", "must be a whole number"),
            ("max_response_bytes = -1", "from 1 to 1073741824, not `-1`"),
            ("base_url = 7", "`base_url` must be text"),
            ("headers = 'x'", "`headers` must be a table"),
            ("headers = { A = 1 }", "header `A` must be text"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with("tasker.toml: [api.payments]: "), "{error}");
            assert!(error.contains(problem), "{error}");
        }
    }
}
