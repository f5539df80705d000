//! Where calls go: an endpoint with its configuration read, its variables filled in and all of it checked.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use reqwest::{
    Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};

use super::{address, client::ApiClient, secrets::Secrets};
use crate::{handler::Endpoint, model::StepError};

/// Headers that carry secrets and nothing else.
pub(super) const SECRET: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "x-api-key"];

/// Headers that belong to the connection or to the step.
const OWN: [&str; 7] =
    ["host", "content-length", "transfer-encoding", "connection", "idempotency-key", "traceparent", "te"];

/// An endpoint that can be called.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) base: Url,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) max_response_bytes: u64,
    /// What must never be shown.
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
        let base = base_url(written, &text)?;
        if let Some(address) = literal(&base) {
            address::check(address, client.allowed()).map_err(|refused| forbidden(&base, &refused))?;
        }
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
    /// Where it is no base URL or must not be called.
    pub(super) fn of_url(url: &str, client: &ApiClient) -> Result<Self, StepError> {
        let base = base_url(url, url)?;
        if let Some(address) = literal(&base) {
            address::check(address, client.allowed()).map_err(|refused| forbidden(&base, &refused))?;
        }
        Ok(Self {
            base,
            headers: HeaderMap::new(),
            timeout: client.timeout(),
            max_response_bytes: client.max_response_bytes(),
            secrets: Secrets::default(),
        })
    }

    /// The URL of a path below the base, with its query. `None` where the path would lead elsewhere.
    pub(super) fn url(&self, path: &str) -> Option<Url> {
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let climbs = |segment: &str| {
            let plain = segment.replace("%2e", ".").replace("%2E", ".");
            matches!(plain.as_str(), "." | "..")
        };
        if !path.is_empty() && !path.starts_with('/') || path.split(['/', '\\']).any(climbs) {
            return None;
        }
        let mut url = self.base.clone();
        if !path.is_empty() {
            url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        }
        url.set_query(query.filter(|query| !query.is_empty()));
        Some(url)
    }

    /// A URL as it may be shown: without query and secrets.
    pub(super) fn shown(&self, url: &Url) -> String {
        let mut url = url.clone();
        url.set_query(None);
        url.set_fragment(None);
        self.secrets.hidden_in(url.into())
    }
}

/// The address that a URL is written with, where it is written with one.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// An address that must not be called.
pub(super) fn forbidden(url: &Url, refused: &address::Refused) -> StepError {
    let host = url.host_str().unwrap_or_default();
    let message = format!(
        "`{host}` must not be called: {refused}; if it is meant, put it into `allowed_networks` of `[api]` in \
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
    let distance = |known: &&String| strsim::damerau_levenshtein(known, name);
    let near =
        client.sections().keys().min_by_key(distance).filter(|near| distance(near) <= name.len().div_ceil(3));
    misconfigured(match near {
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

fn base_url(written: &str, text: &str) -> Result<Url, StepError> {
    // What is shown is what was written: with its variables filled in it may be secret.
    let wrong = |why: &str| misconfigured(format!("`{written}` is no base URL: {why}"));
    // With credentials in it not even what was written may be shown.
    let named = || {
        let why =
            "a base URL has no user or password: write them as the header `Authorization`, `Basic ${NAME}`";
        misconfigured(why.to_owned())
    };
    let url = match Url::parse(text) {
        Err(_) if text.contains('@') => return Err(named()),
        parsed => parsed.map_err(|error| wrong(&error.to_string()))?,
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(named());
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it starts with `https://` or `http://`"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it has no host"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has no `?` and no `#`; a request adds its query with `.query(name, value)`"));
    }
    Ok(url)
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
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("this is no name of a header"))?;
    if OWN.contains(&parsed.as_str()) {
        return Err(wrong("this one is set for each request, it cannot be given"));
    }
    let before = secrets.len();
    let text = filled(value, client, secrets)?;
    let has_reference = secrets.len() > before;
    if SECRET.contains(&parsed.as_str()) && !has_reference {
        return Err(wrong(
            "a secret is named and not written: put it into a variable, `Bearer ${API_TOKEN}`",
        ));
    }
    let mut parsed_value = HeaderValue::from_str(&text)
        .map_err(|_| wrong("its value has characters that no header may have"))?;
    parsed_value.set_sensitive(has_reference);
    Ok((parsed, parsed_value))
}
