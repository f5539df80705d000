//! Where the public keys come from: a file, or an address that is asked now and then.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::keys::KeySet;
use crate::model::Timestamp;

/// Keys are read anew after this time.
const REFRESH: Duration = Duration::from_secs(600);
/// For a key that is not known they are read anew, but not more often.
const AT_MOST_EVERY: Duration = Duration::from_secs(30);
/// Keys that could not be read anew are good for so long.
const STALE: Duration = Duration::from_secs(3600);
/// The largest document.
const MAX_BYTES: u64 = 256 << 10;

/// Where they are.
#[derive(Clone, Debug)]
enum Place {
    File(PathBuf),
    #[cfg(feature = "http")]
    Url(String, crate::handler::http::ApiClient),
}

/// What is known of them.
#[derive(Clone, Debug, Default)]
struct Known {
    keys: Arc<KeySet>,
    read_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

/// The keys of a place.
#[derive(Debug)]
pub(super) struct Source {
    place: Place,
    known: Mutex<Known>,
    /// One asks at a time.
    asking: tokio::sync::Mutex<()>,
}

fn within(time: Option<Timestamp>, limit: Duration, now: Timestamp) -> bool {
    time.is_some_and(|time| now >= time && now.since(time) < limit)
}

impl Source {
    /// A file, or an address that begins with `https://`. A file has to be there; an address need not answer yet.
    pub(super) fn of(config: &crate::config::Config, place: &str) -> Result<Self, String> {
        let at = |place| Self { place, known: Mutex::default(), asking: tokio::sync::Mutex::default() };
        if place.starts_with("https://") {
            #[cfg(feature = "http")]
            {
                let client = crate::handler::http::ApiClient::configured(config);
                return Ok(at(Place::Url(place.to_owned(), client)));
            }
            #[cfg(not(feature = "http"))]
            return Err("this program was built without the feature `http`: name a file".to_owned());
        }
        let _ = config;
        if place.contains("://") {
            return Err("it has to be a file, or an address that begins with https://".to_owned());
        }
        let text = std::fs::read_to_string(place).map_err(|error| error.to_string())?;
        KeySet::read(&text)?;
        Ok(at(Place::File(place.into())))
    }

    /// Keys among which the named one is, if it is anywhere; `None` while there are none that can be trusted.
    pub(super) async fn keys(&self, kid: Option<&str>, now: Timestamp) -> Option<Arc<KeySet>> {
        if let Some(keys) = self.fresh(kid, now) {
            return Some(keys);
        }
        let _one = self.asking.lock().await;
        // Whoever waited here finds what another one has read.
        if let Some(keys) = self.fresh(kid, now) {
            return Some(keys);
        }
        if !within(self.known().tried_at, AT_MOST_EVERY, now) {
            self.known.lock().unwrap_or_else(PoisonError::into_inner).tried_at = Some(now);
            match self.read().await {
                Ok(keys) => {
                    let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                    (known.keys, known.read_at) = (Arc::new(keys), Some(now));
                }
                Err(problem) => tracing::warn!("auth.jwks cannot be read: {problem}"),
            }
        }
        let known = self.known();
        within(known.read_at, STALE, now).then_some(known.keys)
    }

    fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self, kid: Option<&str>, now: Timestamp) -> Option<Arc<KeySet>> {
        let known = self.known();
        (within(known.read_at, REFRESH, now) && known.keys.has(kid)).then_some(known.keys)
    }

    async fn read(&self) -> Result<KeySet, String> {
        let text = match &self.place {
            Place::File(path) => {
                let size = tokio::fs::metadata(path).await.map_err(|error| error.to_string())?.len();
                if size > MAX_BYTES {
                    return Err(format!("it has {size} bytes, more than {MAX_BYTES}"));
                }
                tokio::fs::read_to_string(path).await.map_err(|error| error.to_string())?
            }
            #[cfg(feature = "http")]
            Place::Url(url, client) => {
                client.fetch(url, MAX_BYTES).await.map_err(|error| error.to_string())?
            }
        };
        KeySet::read(&text)
    }
}
