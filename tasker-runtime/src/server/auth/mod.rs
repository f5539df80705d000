//! Who asks, and what they may.
//!
//! Nobody is asked on this machine while there are no keys; once there is one, expired or revoked ones too, everybody is,
//! for good. Where tokens are taken, and where it can be reached from elsewhere, the service always asks. Keys are read anew after 5 s, so a key that is revoked
//! ends everywhere within that time, and where it is revoked at once; whether it has expired is seen at each request.

mod attempts;
mod caller;
pub(super) mod table;
mod token;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::http::{HeaderMap, header};

use self::attempts::Attempts;
pub(super) use self::{
    caller::{Caller, Principal},
    token::Tokens,
};
use super::{
    Service,
    problem::{Answer, Code, Problem},
};
use crate::{
    api::{KeyReport, Keys, Tasker},
    model::Timestamp,
};

/// How long what is known of a key is taken for true.
const KNOWN: Duration = Duration::from_secs(5);
/// So many keys are kept in memory.
const MAX_KNOWN: usize = 10_000;

/// A key as it was read.
#[derive(Clone, Debug)]
struct Known {
    key: Arc<KeyReport>,
    read_at: Timestamp,
}

/// What is known of those who ask.
#[derive(Debug)]
pub(super) struct Auth {
    /// It can be reached from other machines.
    exposed: bool,
    /// There is a key.
    configured: AtomicBool,
    /// When it was seen that there is none.
    unconfigured_at: Mutex<Option<Timestamp>>,
    keys: Mutex<HashMap<String, Known>>,
    /// The tokens that are taken as well.
    tokens: Option<Tokens>,
    attempts: Attempts,
}

fn is_fresh(read_at: Timestamp, now: Timestamp) -> bool {
    // A clock may be set back.
    now >= read_at && now.since(read_at) < KNOWN
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Auth {
    pub(super) fn new(exposed: bool, tokens: Option<Tokens>) -> Self {
        Self {
            exposed,
            configured: AtomicBool::new(tokens.is_some()),
            tokens,
            unconfigured_at: Mutex::default(),
            keys: Mutex::default(),
            attempts: Attempts::default(),
        }
    }

    /// Whether it can be reached from other machines.
    pub(super) fn is_exposed(&self) -> bool {
        self.exposed
    }

    /// Whether everybody is asked, as far as is known.
    pub(super) fn asks(&self) -> bool {
        self.exposed || self.configured.load(Ordering::Relaxed)
    }

    /// From here on everybody is asked: a key was made.
    pub(super) fn ask(&self) {
        self.configured.store(true, Ordering::Relaxed);
    }

    /// Reads a key anew before it is good for anything: it was revoked.
    pub(super) fn forget(&self, id: &str) {
        locked(&self.keys).remove(id);
    }

    /// Whether everybody is asked, with a look at the database if need be.
    async fn looks(&self, tasker: &Tasker) -> Answer<bool> {
        let now = tasker.now();
        if self.asks() {
            return Ok(true);
        }
        if locked(&self.unconfigured_at).is_some_and(|seen| is_fresh(seen, now)) {
            return Ok(false);
        }
        let any = !tasker.keys().list(None, 1).await?.is_empty();
        match any {
            true => self.ask(),
            false => *locked(&self.unconfigured_at) = Some(now),
        }
        Ok(any)
    }

    /// The key with this id, no older than it may be.
    async fn read(&self, tasker: &Tasker, id: &str, known: Option<Known>) -> Answer<Option<Arc<KeyReport>>> {
        let now = tasker.now();
        if let Some(known) = known.filter(|known| is_fresh(known.read_at, now)) {
            return Ok(Some(known.key));
        }
        let Some(key) = tasker.keys().get(id).await?.map(Arc::new) else {
            self.forget(id);
            return Ok(None);
        };
        let mut keys = locked(&self.keys);
        if keys.len() >= MAX_KNOWN {
            keys.retain(|_, known| is_fresh(known.read_at, now));
        }
        if keys.len() < MAX_KNOWN {
            keys.insert(id.to_owned(), Known { key: key.clone(), read_at: now });
        }
        Ok(Some(key))
    }
}

/// The credential that a request shows.
fn shown(headers: &HeaderMap) -> Answer<Option<&str>> {
    let bad =
        || Problem::new(Code::BadCredentials, "the header `Authorization` has to say `Bearer`, and a key");
    let mut bearers = headers.get_all(header::AUTHORIZATION).iter();
    let mut keys = headers.get_all("x-api-key").iter();
    let found = match (bearers.next(), keys.next(), bearers.next(), keys.next()) {
        (None, None, ..) => return Ok(None),
        (Some(bearer), None, None, _) => {
            let (scheme, token) =
                bearer.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(bad)?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).ok_or_else(bad)?
        }
        (None, Some(key), _, None) => key.to_str().map_err(|_| bad())?.trim(),
        _ => return Err(Problem::new(Code::BadCredentials, "show one credential")),
    };
    Ok(Some(found))
}

fn too_many(seconds: u64) -> Problem {
    let detail = "too many credentials that are not good came from this address";
    Problem::new(Code::TooManyFailures, detail).after(seconds)
}

impl Service {
    /// Who asks; a problem where that has to be said and is not.
    pub(super) async fn caller(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Answer<Caller> {
        let auth = &self.0.auth;
        if !auth.looks(self.tasker()).await? {
            return Ok(Caller::anybody());
        }
        let known = match shown(headers) {
            Ok(Some(credential)) => self.recognized(credential, peer).await,
            Ok(None) => {
                let detail = "show a key: `Authorization: Bearer tsk_…`, or `X-API-Key`";
                Err(Problem::new(Code::NoCredentials, detail).hint("`tasker key create` makes one"))
            }
            Err(problem) => Err(problem),
        };
        known.map(|principal| Caller(Arc::new(principal))).inspect_err(|problem| {
            problem.denial().into_iter().for_each(|kind| self.0.metrics.note_denied(kind));
        })
    }

    async fn recognized(&self, credential: &str, peer: Option<IpAddr>) -> Answer<Principal> {
        let (auth, now) = (&self.0.auth, self.tasker().now());
        let checked = match (Keys::id_of(credential), &auth.tokens) {
            (Some(id), _) => self.recognized_key(id, credential, peer).await,
            (None, Some(tokens)) => tokens.recognized(credential, now).await,
            (None, None) => Err(Problem::new(Code::BadCredentials, "this is not a key")),
        };
        let Err(problem) = checked else { return checked };
        let (true, Some(peer)) = (problem.denial().is_some(), peer) else { return Err(problem) };
        if let Some(seconds) = auth.attempts.seconds_left(peer, now) {
            return Err(too_many(seconds));
        }
        auth.attempts.note(peer, now);
        Err(problem)
    }

    async fn recognized_key(&self, id: &str, shown: &str, peer: Option<IpAddr>) -> Answer<Principal> {
        let (auth, tasker, now) = (&self.0.auth, self.tasker(), self.tasker().now());
        let known = locked(&auth.keys).get(id).cloned();
        // Who has shown a good one is not kept out by others that come from the same address; of the rest the database
        // is not asked.
        let is_known = known.as_ref().is_some_and(|known| known.key.is(shown));
        let wait = peer.filter(|_| !is_known).and_then(|peer| auth.attempts.seconds_left(peer, now));
        if let Some(seconds) = wait {
            return Err(too_many(seconds));
        }
        let key = auth.read(tasker, id, known).await?.filter(|key| key.is(shown));
        let Some(key) = key.filter(|key| key.revoked_at.is_none()) else {
            return Err(Problem::new(Code::BadCredentials, "there is no such key, or it was revoked"));
        };
        if key.expires_at.is_some_and(|end| end <= now) {
            return Err(Problem::new(Code::ExpiredCredentials, "the key has expired"));
        }
        if key.last_used_at.is_none_or(|used| now < used || now.since(used) >= Duration::from_secs(60)) {
            self.note_use(&key).await;
        }
        Ok(Principal::of(&key))
    }

    /// Notes that a key is used. Where that fails, the request is served nevertheless.
    async fn note_use(&self, key: &Arc<KeyReport>) {
        let now = self.tasker().now();
        if let Err(error) = self.tasker().keys().note_use(&key.id).await {
            tracing::debug!(key = key.id, "cannot note that a key is used: {error}");
            return;
        }
        if let Some(known) = locked(&self.0.auth.keys).get_mut(&key.id) {
            Arc::make_mut(&mut known.key).last_used_at = Some(now);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn credential_is_shown_one_way_and_once() {
        let said = |headers: &[(&'static str, &'static str)]| {
            let header = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            let mut all = HeaderMap::new();
            for (name, value) in headers.iter().map(header) {
                all.append(name, value);
            }
            shown(&all).map(|shown| shown.map(str::to_owned))
        };
        assert_eq!(said(&[]).unwrap(), None);
        assert_eq!(said(&[("authorization", "bearer  x")]).unwrap().as_deref(), Some("x"));
        assert_eq!(said(&[("x-api-key", "x")]).unwrap().as_deref(), Some("x"));
        let (bearer, key) = (("authorization", "Bearer x"), ("x-api-key", "x"));
        for wrong in [
            &[("authorization", "Basic x")][..],
            &[("authorization", "Bearer")],
            &[bearer, key],
            &[bearer, bearer],
            &[key, key],
        ] {
            assert!(said(wrong).is_err(), "{wrong:?}");
        }
    }
}
