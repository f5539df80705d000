//! Where calls go: an endpoint with its configuration read, its variables filled in and all of it checked.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use reqwest::{
    Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};

use tasker_template::headers::{self, SECRET};

use super::{address, client::ApiClient, path, secrets::Secrets, text::start_of};
use crate::{handler::Endpoint, model::StepError, template::nearest};

/// How much of a URL is shown, in bytes.
const SHOWN_URL: usize = 500;

/// What is wrong with the value of a header.
pub(super) const BAD_VALUE: &str = "its value has a character that no header may have, such as a line break";

/// An endpoint that can be called.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) base: Url,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) max_response_bytes: u64,
    /// What must not be shown.
    pub(super) secrets: Secrets,
}

impl Target {
    /// # Errors
    /// What is missing or wrong, as a permanent failure.
    pub(super) fn resolve(endpoint: &Endpoint, client: &ApiClient) -> Result<Self, StepError> {
        let section = endpoint.section.and_then(|name| client.sections().get(name));
        let written = section.and_then(|section| section.base_url.as_deref()).or(endpoint.base_url);
        let Some(written) = written else { return Err(no_url(endpoint, client)) };
        let mut secrets = Vec::new();
        let text = filled(written, client, &mut secrets)?;
        // A variable that is the URL itself is where the API is; one inside it is a part to be hidden.
        secrets.retain(|secret| !secret.contains("://"));
        let base = callable(written, &text, client)?;
        let mut headers = HeaderMap::new();
        for (name, value) in written_headers(endpoint, section.map(|section| &section.headers)) {
            let (name, value) = header(name, value, client, &mut secrets)?;
            headers.insert(name, value);
        }
        let own_timeout = section.and_then(|section| section.timeout).or(endpoint.timeout);
        let limit = section.and_then(|section| section.max_response_bytes).or(endpoint.max_response_bytes);
        Ok(Self {
            base,
            headers,
            timeout: own_timeout.unwrap_or(client.timeout()),
            max_response_bytes: limit.unwrap_or(client.max_response_bytes()),
            secrets: Secrets::default().with(secrets),
        })
    }

    /// The API at a URL, without an endpoint of the program.
    ///
    /// # Errors
    /// Where it is not a valid base URL or must not be called.
    pub(super) fn of_url(url: &str, client: &ApiClient) -> Result<Self, StepError> {
        Ok(Self {
            base: callable(url, url, client)?,
            headers: HeaderMap::new(),
            timeout: client.timeout(),
            max_response_bytes: client.max_response_bytes(),
            secrets: Secrets::default(),
        })
    }

    /// A URL as it may be shown: without query and secrets, and of a length to read.
    pub(super) fn shown(&self, url: &Url) -> String {
        let mut url = url.clone();
        url.set_query(None);
        url.set_fragment(None);
        start_of(&self.secrets.hidden_in(url.into()), SHOWN_URL)
    }
}

/// The address in a URL, where it has one in place of a name.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// An address that must not be called.
pub(super) fn forbidden(url: &Url, refused: &address::Refused) -> StepError {
    let host = url.host_str().unwrap_or_default();
    let message = format!(
        "`{host}` must not be called: {refused}; if this is intended, add it to `allowed_networks` of `[api]` in \
         config/tasker.toml"
    );
    StepError::permanent("HTTP_ADDRESS_REFUSED", message)
}

fn misconfigured(message: String) -> StepError {
    StepError::permanent("HTTP_MISCONFIGURED", message)
}

fn no_url(endpoint: &Endpoint, client: &ApiClient) -> StepError {
    let Some(name) = endpoint.section else {
        return misconfigured("the endpoint has neither a base URL nor a section".to_owned());
    };
    if client.sections().contains_key(name) {
        return misconfigured(format!("`[api.{name}]` in config/tasker.toml has no `base_url`: add it"));
    }
    misconfigured(match nearest(name, client.sections().keys().map(String::as_str)) {
        Some(near) => {
            format!("there is no section `[api.{name}]` in config/tasker.toml; did you mean `{near}`?")
        }
        None => {
            format!("there is no section `[api.{name}]` in config/tasker.toml: add it with its `base_url`")
        }
    })
}

/// `text` with the values of variables in place of each `${NAME}`; `$$` is a dollar sign.
fn filled(text: &str, client: &ApiClient, values: &mut Vec<String>) -> Result<String, StepError> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        filled.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(name) = after.strip_prefix('{') {
            let Some((name, more)) = name.split_once('}') else {
                return Err(misconfigured(format!("`{text}` opens `${{` and does not close it")));
            };
            let Some(value) = client.variable(name).filter(|value| !value.is_empty()) else {
                return Err(misconfigured(format!(
                    "the environment variable `{name}` is not set: `{text}` needs it"
                )));
            };
            filled.push_str(&value);
            values.push(value);
            rest = more;
        } else {
            filled.push('$');
            rest = after.strip_prefix('$').unwrap_or(after);
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The base URL in `text`, if it may be called; `written` is what stands in the settings for it.
fn callable(written: &str, text: &str, client: &ApiClient) -> Result<Url, StepError> {
    let base = base_url(written, text)?;
    if let Some(address) = literal(&base) {
        address::check(address, client.allowed()).map_err(|refused| forbidden(&base, &refused))?;
    }
    Ok(base)
}

fn base_url(written: &str, text: &str) -> Result<Url, StepError> {
    const CREDENTIALS: &str =
        "a base URL has no user or password: write them as the header `Authorization`, `Basic ${NAME}`";
    // What is shown is what was written: with its variables filled in it may be secret.
    let wrong = |why: &str| misconfigured(format!("`{written}` is not a valid base URL: {why}"));
    let url = match Url::parse(text) {
        // With credentials in it not even what was written may be shown.
        Err(_) if text.contains('@') => return Err(misconfigured(CREDENTIALS.to_owned())),
        parsed => parsed.map_err(|error| wrong(&error.to_string()))?,
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(misconfigured(CREDENTIALS.to_owned()));
    }
    // The parser mends what it is given; what it would mend is a mistake here.
    let starts_with = |scheme: &str| text.get(..scheme.len()).is_some_and(|t| t.eq_ignore_ascii_case(scheme));
    let path = text.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
    let why = if text.contains(|letter: char| letter.is_control() || letter.is_whitespace()) {
        "it has a space, a line break or a control character; a variable may end in one"
    } else if !starts_with("https://") && !starts_with("http://") {
        "it starts with `https://` or `http://`"
    } else if url.host_str().is_none_or(str::is_empty) {
        "it has no host"
    } else if url.query().is_some() || url.fragment().is_some() {
        "it has no `?` and no `#`; a request adds its query with `.query(name, value)`"
    } else if text.contains('\\') {
        "it has a `\\`"
    } else if path.split('/').any(path::climbs) {
        "its path has a `.` or `..` in it"
    } else {
        return Ok(url);
    };
    Err(wrong(why))
}

/// The headers of the attribute, with those of the section in their place where both have one.
fn written_headers<'t>(
    endpoint: &Endpoint,
    section: Option<&'t BTreeMap<String, String>>,
) -> Vec<(&'t str, &'t str)> {
    let of_section: Vec<_> =
        section.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let replaced = |name: &str| of_section.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    let of_attribute = endpoint.headers.iter().copied().filter(|(name, _)| !replaced(name));
    of_attribute.chain(of_section.iter().copied()).collect()
}

fn header(
    name: &str,
    value: &str,
    client: &ApiClient,
    secrets: &mut Vec<String>,
) -> Result<(HeaderName, HeaderValue), StepError> {
    let wrong = |why: &str| misconfigured(format!("header `{name}`: {why}"));
    let parsed = header_name(name).map_err(|why| wrong(&why))?;
    let before = secrets.len();
    let text = filled(value, client, secrets)?;
    let has_reference = secrets.len() > before;
    if SECRET.contains(&parsed.as_str()) && !has_reference {
        return Err(wrong("a secret is named, not written: put it into a variable, `Bearer ${API_TOKEN}`"));
    }
    let mut parsed_value = HeaderValue::from_str(&text).map_err(|_| wrong(BAD_VALUE))?;
    parsed_value.set_sensitive(has_reference);
    Ok((parsed, parsed_value))
}

/// The name of a header that settings and handlers may give.
///
/// # Errors
/// Why they may not.
pub(super) fn header_name(name: &str) -> Result<HeaderName, String> {
    let parsed =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| "this is not a valid header name".to_owned())?;
    match headers::reserved(parsed.as_str()) {
        Some(why) => Err(format!("this one {why}")),
        None => Ok(parsed),
    }
}
