//! Tokens that others give out, signed (RFC 7519).
//!
//! What a token says counts once its signature is good by a key of `auth.jwks`, and by the algorithm that belongs to
//! that key: what the token says of itself is not believed.

mod keys;
mod source;

use std::time::Duration;

use serde::Deserialize;

use self::{
    keys::{KeySet, decoded},
    source::Source,
};
use super::Principal;
use crate::{
    api::Permissions,
    config::Config,
    model::Timestamp,
    server::problem::{Answer, Code, Problem},
};

/// The longest token, in bytes.
const MAX_TOKEN: usize = 8 << 10;
/// The longest name of who has it, in characters.
const MAX_SUBJECT: usize = 200;
/// Clocks may differ by so much.
const LEEWAY: Duration = Duration::from_secs(30);

/// Which tokens are taken.
#[derive(Debug)]
pub(in crate::server) struct Tokens {
    source: Source,
    issuers: Vec<String>,
    audiences: Vec<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// What has to be understood to take it: nothing is.
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: OneOrMore,
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    permissions: Option<Vec<String>>,
    scope: Option<String>,
    namespaces: Option<Vec<String>>,
}

/// Why a token is not taken.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Bad(&'static str),
    Expired,
}

use Refusal::{Bad, Expired};

impl Tokens {
    /// What the settings say: `None` where `auth.jwks` is `off`.
    pub(in crate::server) fn of(config: &Config) -> Result<Option<Self>, String> {
        let auth = &config.settings().auth;
        if auth.jwks == "off" {
            return Ok(None);
        }
        if auth.issuer.is_empty() || auth.audience.is_empty() {
            return Err("auth.jwks needs auth.issuer and auth.audience: from whom tokens come, and for whom"
                .to_owned());
        }
        let source = Source::of(config, &auth.jwks).map_err(|problem| format!("auth.jwks: {problem}"))?;
        Ok(Some(Self { source, issuers: auth.issuer.clone(), audiences: auth.audience.clone() }))
    }

    /// Whoever has this token.
    pub(super) async fn recognized(&self, token: &str, now: Timestamp) -> Answer<Principal> {
        let bad = |why: &str| Problem::new(Code::BadCredentials, why.to_owned());
        let header = head(token).ok_or_else(|| bad("this is neither a key nor a token"))?;
        let Some(keys) = self.source.keys(header.kid.as_deref(), now).await else {
            let detail = "tokens cannot be checked: their keys cannot be read";
            return Err(Problem::new(Code::AuthUnavailable, detail).after(30));
        };
        match self.read(token, &header, &keys, now) {
            Ok(principal) => Ok(principal),
            Err(Bad(why)) => Err(bad(why)),
            Err(Expired) => Err(Problem::new(Code::ExpiredCredentials, "the token has expired")),
        }
    }

    fn read(
        &self,
        token: &str,
        header: &Header,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Bad("this is not a token"))?;
        let signature = decoded(signature).ok_or(Bad("the signature of the token cannot be read"))?;
        if header.crit.is_some() {
            return Err(Bad("the token wants to be understood in a way that is not known here"));
        }
        if !keys.signed(header.kid.as_deref(), &header.alg, signed.as_bytes(), &signature) {
            return Err(Bad("the signature of the token is not good"));
        }
        let claims = signed.split_once('.').and_then(|(_, claims)| decoded(claims));
        let claims: Claims = claims
            .and_then(|claims| serde_json::from_slice(&claims).ok())
            .ok_or(Bad("the token has to have `iss`, `aud`, `sub` and `exp`"))?;
        self.check(&claims, now)?;
        let words: Vec<&str> = match (&claims.permissions, &claims.scope) {
            (Some(words), _) => words.iter().map(String::as_str).collect(),
            (None, Some(scope)) => scope.split_ascii_whitespace().collect(),
            (None, None) => Vec::new(),
        };
        let (permissions, unknown) = Permissions::known(words);
        if let Some(unknown) = unknown.first() {
            tracing::warn!(sub = claims.sub, "a token permits what is not known here: {unknown}");
        }
        Ok(Principal {
            name: Some(format!("jwt:{}", claims.sub)),
            key: None,
            permissions,
            namespaces: claims.namespaces,
            expires_at: Some(point(claims.exp)),
        })
    }

    fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), Refusal> {
        let ours = |audience: &String| self.audiences.contains(audience);
        let is_ours = match &claims.aud {
            OneOrMore::One(audience) => ours(audience),
            OneOrMore::More(audiences) => audiences.iter().any(ours),
        };
        let length = claims.sub.chars().count();
        match () {
            () if !self.issuers.contains(&claims.iss) => Err(Bad("the token comes from another issuer")),
            () if !is_ours => Err(Bad("the token is for another audience")),
            () if length == 0 || length > MAX_SUBJECT || claims.sub.contains(char::is_control) => {
                Err(Bad("`sub` of the token has to be a name"))
            }
            () if now >= point(claims.exp) + LEEWAY => Err(Expired),
            () if claims.nbf.is_some_and(|begin| now + LEEWAY < point(begin)) => {
                Err(Bad("the token is not good yet"))
            }
            () => Ok(()),
        }
    }
}

/// A point in time, in seconds since 1970 as tokens write it. What is out of all range is far away.
fn point(seconds: f64) -> Timestamp {
    // A conversion ends at the ends of its type.
    #[allow(clippy::cast_possible_truncation)]
    Timestamp::from_micros((seconds * 1e6).clamp(-4e18, 4e18) as i64)
}

/// The head of what looks like a token.
fn head(token: &str) -> Option<Header> {
    let parts = token.split('.').count();
    let (head, _) = token.split_once('.').filter(|_| parts == 3 && token.len() <= MAX_TOKEN)?;
    serde_json::from_slice(&decoded(head)?).ok()
}

#[cfg(test)]
mod tests;
