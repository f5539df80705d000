//! The keys by which the service knows who asks, and what they permit.

mod permission;
mod secret;

use serde::Serialize;

pub use self::permission::{Permission, Permissions, Role, UnknownPermission};
use self::secret::Parts;
use super::Tasker;
use crate::{
    model::Timestamp,
    orchestration::keys::{self, Stored},
    store,
};

/// The keys of a [`Tasker`], as [`Tasker::keys`] gives them.
///
/// Once there is one, the service serves nobody who shows none. Kept is only what a key is recognized by, not the key.
///
/// ```
/// use tasker_runtime::{Tasker, api::{NewKey, Role}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// let tasker = Tasker::builder().database("sqlite::memory:").auto_discover(false).connect().await?;
/// let made = tasker.keys().create(NewKey::that_never_expires("ci").role(Role::Operator)).await?;
/// assert!(made.secret().starts_with("tsk_") && made.secret().len() == 56);
///
/// let listed = tasker.keys().list(None, 10).await?;
/// assert_eq!((&*listed[0].name, &*listed[0].id), ("ci", &*made.report.id));
/// tasker.keys().revoke(&made.report.id).await?;
///
/// let unknown = tasker.keys().create(NewKey::that_never_expires("ci").permission("tasks:raed")).await;
/// assert!(unknown.is_err(), "there is no such permission");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Keys<'t>(&'t Tasker);

/// A key that is to be made.
#[derive(Clone, Debug)]
#[must_use]
pub struct NewKey {
    name: String,
    permissions: Vec<String>,
    namespaces: Option<Vec<String>>,
    expires_at: Option<Timestamp>,
}

impl NewKey {
    /// The longest name, in characters.
    pub const MAX_NAME: usize = 100;

    /// A key that is good until this time. Its name stands in the audit trail for what is done by it.
    pub fn until(name: impl Into<String>, expires_at: Timestamp) -> Self {
        Self { expires_at: Some(expires_at), ..Self::that_never_expires(name) }
    }

    /// A key that is good until it is revoked.
    pub fn that_never_expires(name: impl Into<String>) -> Self {
        Self { name: name.into(), permissions: Vec::new(), namespaces: None, expires_at: None }
    }

    /// Permits what this role does.
    pub fn role(mut self, role: Role) -> Self {
        self.permissions.extend(role.permissions().iter().map(|word| (*word).to_owned()));
        self
    }

    /// Permits what this word does; see [`Permissions::read`].
    pub fn permission(mut self, word: impl Into<String>) -> Self {
        self.permissions.push(word.into());
        self
    }

    /// Permits it for what is of this namespace, and of others that are named so; for all unless one is.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespaces.get_or_insert_default().push(namespace.into());
        self
    }

    fn check(&self, now: Timestamp) -> Result<(), KeyError> {
        let length = self.name.chars().count();
        // What stands before a slash in the audit trail is the key; what stands behind it, whom it speaks for.
        if length == 0 || length > Self::MAX_NAME || self.name.contains(|c: char| c == '/' || c.is_control())
        {
            return Err(KeyError::BadName);
        }
        Permissions::read(self.permissions.iter().map(String::as_str))?;
        if self.permissions.is_empty() {
            return Err(KeyError::PermitsNothing);
        }
        if self.namespaces.iter().flatten().any(String::is_empty) {
            return Err(KeyError::BadNamespace);
        }
        match self.expires_at {
            Some(expires_at) if expires_at <= now => Err(KeyError::ExpiresBefore { expires_at }),
            _ => Ok(()),
        }
    }
}

/// Why a key was not made or not found. In every case nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It cannot be called so.
    #[error("the name of a key has 1 to {} characters, and no `/` among them", NewKey::MAX_NAME)]
    BadName,
    /// A word permits nothing.
    #[error(transparent)]
    UnknownPermission(#[from] UnknownPermission),
    /// No word was given.
    #[error("a key has to permit something: give it a role or permissions")]
    PermitsNothing,
    /// A namespace has no name.
    #[error("the name of a namespace is not empty")]
    BadNamespace,
    /// It would never be good.
    #[error("the key would have expired already, at {expires_at}")]
    ExpiresBefore {
        /// When.
        expires_at: Timestamp,
    },
    /// No key has this id.
    #[error("there is no key `{id}`")]
    Unknown {
        /// The id.
        id: String,
    },
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {problem}")]
    NoRandomness {
        /// Why.
        problem: String,
    },
    /// The database refused or did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A key, but for what it is recognized by.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct KeyReport {
    /// Its id, the first eight characters after `tsk_`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it permits, in the words it was made with.
    pub permissions: Vec<String>,
    /// The namespaces for which it does; `None`: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it expires; `None`: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// The SHA-256 of the key, in hexadecimal digits.
    #[serde(skip)]
    digest: String,
}

impl KeyReport {
    fn new(stored: Stored) -> Self {
        Self {
            id: stored.id,
            name: stored.name,
            permissions: stored.permissions,
            namespaces: stored.namespaces,
            created_at: stored.created_at,
            created_by: stored.created_by,
            expires_at: stored.expires_at,
            revoked_at: stored.revoked_at,
            last_used_at: stored.last_used_at,
            digest: stored.digest,
        }
    }

    /// Everything it permits, as far as this program knows.
    #[must_use]
    pub fn grants(&self) -> Permissions {
        Permissions::known(self.permissions.iter().map(String::as_str)).0
    }

    /// Whether this is the key. How long that takes says nothing of the answer.
    #[must_use]
    pub fn is(&self, key: &str) -> bool {
        secret::is_same(&self.digest, &secret::digest(key))
    }
}

/// A key that was made.
#[derive(Clone)]
#[non_exhaustive]
pub struct MadeKey {
    /// What is kept of it.
    pub report: KeyReport,
    secret: String,
}

impl MadeKey {
    /// The key itself. It is kept nowhere: whoever loses it needs a new one.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl std::fmt::Debug for MadeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeKey").field("report", &self.report).finish_non_exhaustive()
    }
}

/// Ids are drawn anew so often when they are taken.
const DRAWS: usize = 3;

impl Tasker {
    /// The keys by which the service knows who asks.
    #[must_use]
    pub fn keys(&self) -> Keys<'_> {
        Keys(self)
    }
}

impl Keys<'_> {
    /// Makes a key. From here on nobody is served who shows none: within 5 s by other processes.
    ///
    /// # Errors
    /// When the name, a permission or the time is not one that a key can have, or the database does not answer.
    pub async fn create(&self, new: NewKey) -> Result<MadeKey, KeyError> {
        let now = self.0.now();
        new.check(now)?;
        let mut connection = self.0.inner.store.writer().await?;
        for _ in 0..DRAWS {
            let Parts { id, secret } = Parts::draw()?;
            let stored = Stored {
                digest: secret::digest(&secret),
                id,
                name: new.name.clone(),
                permissions: new.permissions.clone(),
                namespaces: new.namespaces.clone(),
                created_at: now,
                created_by: self.0.actor().to_owned(),
                expires_at: new.expires_at,
                revoked_at: None,
                last_used_at: None,
            };
            if keys::add(&mut connection, &stored).await? {
                return Ok(MadeKey { report: KeyReport::new(stored), secret });
            }
        }
        Err(KeyError::NoRandomness { problem: "it draws the same ones again and again".to_owned() })
    }

    /// At most `limit` keys in the order of their ids, those after one. Also those that are not good any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> store::Result<Vec<KeyReport>> {
        let mut connection = self.0.inner.store.reader().await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = keys::list(&mut connection, after.unwrap_or_default(), limit).await?;
        Ok(found.into_iter().map(KeyReport::new).collect())
    }

    /// The key with this id; `None` when there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn get(&self, id: &str) -> store::Result<Option<KeyReport>> {
        let found = keys::find(&mut self.0.inner.store.reader().await?, id).await?;
        Ok(found.map(KeyReport::new))
    }

    /// The id of the key that a text looks like: `tsk_`, eight characters, `_` and 43 more; `None` for any other text.
    #[must_use]
    pub fn id_of(key: &str) -> Option<&str> {
        secret::id_of(key)
    }

    /// Ends a key: at once in this process, within 5 s in others. One that was revoked before stays so.
    ///
    /// # Errors
    /// When no key has this id, or the database does not answer.
    pub async fn revoke(&self, id: &str) -> Result<(), KeyError> {
        let now = self.0.now();
        match keys::revoke(&mut self.0.inner.store.writer().await?, id, now).await? {
            true => Ok(()),
            false => Err(KeyError::Unknown { id: id.to_owned() }),
        }
    }

    /// Notes that a key is used now, unless that was noted within the last minute.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn note_use(&self, id: &str) -> store::Result<()> {
        let now = self.0.now();
        keys::note_use(&mut self.0.inner.store.writer().await?, id, now).await
    }
}
