//! `#[api(…)]`: what a handler calls.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, LitStr, Meta, Token};
use tasker_template::headers::{self, SECRET};

use crate::errors::Errors;
use crate::{duration, options};

const KNOWN: [&str; 5] = ["base_url", "config", "timeout", "headers", "max_response_bytes"];

/// The largest limit of a response, 1 GiB.
const MOST_BYTES: u32 = 1 << 30;

/// What stands in `#[api(…)]`.
pub(super) struct Api {
    /// All of it.
    pub(super) attribute: Attribute,
    base_url: Option<LitStr>,
    config: Option<LitStr>,
    /// In milliseconds.
    timeout: Option<u64>,
    headers: Vec<(LitStr, LitStr)>,
    max_response_bytes: Option<u32>,
}

/// Reads all options that are good; the others are mistakes.
pub(super) fn read(attribute: &Attribute, errors: &mut Errors) -> Api {
    const NOWHERE: &str = "`#[api]` does not say what to call: add `base_url = \"https://…\"`, or `config = \"name\"` for the section \
         `[api.name]` of config/tasker.toml";
    let mut read = Api {
        attribute: attribute.clone(),
        base_url: None,
        config: None,
        timeout: None,
        headers: Vec::new(),
        max_response_bytes: None,
    };
    let tokens = match &attribute.meta {
        Meta::List(list) => without_equals(list.tokens.clone()),
        Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
    };
    let written = options::read("`#[api]`", tokens, &KNOWN, errors);
    let says_where = written.iter().any(|(key, _)| matches!(key.as_str(), "base_url" | "config"));
    // A key that was misspelt has its message already.
    if !says_where && errors.is_empty() {
        errors.at(attribute, NOWHERE);
    }
    for (key, meta) in written {
        match key.as_str() {
            "base_url" => read.base_url = errors.take(base_url(&meta)),
            "config" => read.config = errors.take(config(&meta)),
            "timeout" => read.timeout = errors.take(timeout(&meta)),
            "headers" => read.headers = given_headers(&meta, errors),
            _ => {
                let number = options::number(&meta, "max_response_bytes = 1048576", 1..=MOST_BYTES);
                read.max_response_bytes = errors.take(number);
            }
        }
    }
    read
}

impl Api {
    /// The endpoint, as a constant expression.
    pub(super) fn endpoint(&self) -> TokenStream {
        let Self { base_url, config, timeout, headers, max_response_bytes, .. } = self;
        let mut endpoint = match (base_url, config) {
            (Some(url), Some(name)) => quote!(__tasker::Endpoint::at(#url).section(#name)),
            (Some(url), None) => quote!(__tasker::Endpoint::at(#url)),
            (None, name) => quote!(__tasker::Endpoint::configured(#name)),
        };
        if let Some(millis) = timeout {
            endpoint.extend(quote!(.timeout(__tasker::millis(#millis))));
        }
        if !headers.is_empty() {
            let headers = headers.iter().map(|(name, value)| quote!((#name, #value)));
            endpoint.extend(quote!(.headers(&[#(#headers),*])));
        }
        if let Some(bytes) = max_response_bytes {
            let bytes = u64::from(*bytes);
            endpoint.extend(quote!(.max_response_bytes(#bytes)));
        }
        endpoint
    }
}

/// `headers = { … }` is written like a table of the configuration and read like a list: without the sign.
fn without_equals(tokens: TokenStream) -> TokenStream {
    let mut out: Vec<TokenTree> = Vec::new();
    for token in tokens {
        let braces = matches!(&token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        let after_equals = matches!(out.last(), Some(TokenTree::Punct(sign)) if sign.as_char() == '=');
        if braces && after_equals {
            out.pop();
        }
        out.push(token);
    }
    out.into_iter().collect()
}

fn base_url(meta: &Meta) -> syn::Result<LitStr> {
    let text = options::text(meta, "base_url = \"https://payments.example.org/v1\"")?;
    match wrong_url(&text.value()) {
        Some(why) => Err(syn::Error::new_spanned(text, why)),
        None => Ok(text),
    }
}

/// Why a text is not a valid base URL, as far as that can be seen without the rules for international names.
fn wrong_url(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest else {
        return Some(format!("`{url}` is not a valid base URL: it starts with `https://` or `http://`"));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        // Not even here is it repeated.
        let why = "a base URL has no user or password: a secret is named as a header, \
                   `headers = { \"Authorization\" = \"Basic ${API_CREDENTIALS}\" }`";
        return Some(why.to_owned());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let why = if url.contains("${") {
        "what changes from deployment to deployment stands in config/tasker.toml: name its section, \
         `config = \"name\"`"
    } else if host.is_empty() {
        "it has no host"
    } else if url.contains(char::is_whitespace) || url.contains(char::is_control) {
        "it has no white space"
    } else if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        "its port is a number up to 65535"
    } else if rest.contains(['?', '#']) {
        "it has no `?` and no `#`; a request adds its query with `.query(name, value)`"
    } else if host.contains(['\\', '<', '>', '"', '^', '`', '{', '|', '}', '%']) {
        "its host has a character that no host may have"
    } else {
        return None;
    };
    Some(format!("`{url}` is not a valid base URL: {why}"))
}

fn config(meta: &Meta) -> syn::Result<LitStr> {
    let text = options::text(meta, "config = \"payments\"")?;
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if text.value().is_empty() || !text.value().chars().all(allowed) {
        let message = "the name of a section has letters, digits, `_` and `-`: `config = \"payments\"` reads \
                       `[api.payments]` of config/tasker.toml";
        return Err(syn::Error::new_spanned(text, message));
    }
    Ok(text)
}

fn timeout(meta: &Meta) -> syn::Result<u64> {
    let text = options::text(meta, "timeout = \"10s\"")?;
    match duration::parse(&text.value()) {
        Ok(0) => Err(syn::Error::new_spanned(text, "a timeout is longer than nothing")),
        Ok(millis) => Ok(millis),
        Err(message) => Err(syn::Error::new_spanned(text, message)),
    }
}

/// `"Name" = "value"`.
struct Header(LitStr, LitStr);

impl Parse for Header {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Self(name, input.parse()?))
    }
}

fn given_headers(meta: &Meta, errors: &mut Errors) -> Vec<(LitStr, LitStr)> {
    const FORM: &str = "headers are names and values: `headers = { \"Accept-Language\" = \"en\" }`";
    let parsed = match meta {
        Meta::List(list) => list.parse_args_with(Punctuated::<Header, Token![,]>::parse_terminated).ok(),
        _ => None,
    };
    let Some(parsed) = parsed else {
        errors.at(meta, FORM);
        return Vec::new();
    };
    let mut headers: Vec<(LitStr, LitStr)> = Vec::new();
    for Header(name, value) in parsed {
        let lower = name.value().to_ascii_lowercase();
        if headers.iter().any(|(other, _)| other.value().eq_ignore_ascii_case(&lower)) {
            errors.at(&name, format!("header `{}` is given twice: keep one", name.value()));
        } else if let Some(why) = wrong_name(&name.value()) {
            errors.at(&name, why);
        } else if let Some(why) = wrong_value(&lower, &value.value()) {
            errors.at(&value, why);
        } else {
            headers.push((name, value));
        }
    }
    headers
}

fn wrong_name(name: &str) -> Option<String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Some(format!("`{name}` is not a valid header name: letters, digits and `-`"));
    }
    headers::reserved(name).map(|why| format!("header `{name}` {why}"))
}

fn wrong_value(name: &str, value: &str) -> Option<String> {
    if value.chars().any(|letter| letter.is_control() && letter != '\t') {
        return Some(format!("the value of header `{name}` has characters that no header may have"));
    }
    let open = value.split("${").skip(1).any(|rest| !rest.contains('}'));
    if open {
        return Some(
            "`${` is not closed: `${API_TOKEN}` stands for a variable of the environment".to_owned(),
        );
    }
    (SECRET.contains(&name) && !value.contains("${")).then(|| {
        "a secret does not belong into the source: name a variable of the environment, `Bearer ${API_TOKEN}`"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_url_is_a_place_and_nothing_else() {
        for good in [
            "https://example.org",
            "http://example.org:8080/v1/",
            "https://[::1]:443/x",
            "https://[2001:db8::1]",
            "https://bücher.example/ü",
        ] {
            assert_eq!(wrong_url(good), None, "{good}");
        }
        for (bad, why) in [
            ("example.org", "starts with `https://`"),
            ("ftp://example.org", "starts with `https://`"),
            ("https://", "has no host"),
            ("https://:443/", "has no host"),
            ("https://a b.org/", "no white space"),
            ("https://example.org:port/", "its port is a number"),
            ("https://example.org:70000", "its port is a number"),
            ("https://example.org/?key=1", "has no `?`"),
            ("https://example.org#top", "has no `?`"),
            ("https://${HOST}/", "config = \"name\""),
            ("https://exa|mple.org/", "no host may have"),
        ] {
            assert!(wrong_url(bad).is_some_and(|text| text.contains(why)), "{bad}: {:?}", wrong_url(bad));
        }
    }

    #[test]
    fn credentials_are_not_repeated() {
        let why = wrong_url("https://me:hunter2@example.org/").unwrap_or_default();
        assert!(why.contains("no user or password") && !why.contains("hunter2"), "{why}");
    }
}
