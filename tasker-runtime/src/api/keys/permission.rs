//! What a key may permit.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::template::nearest;

macro_rules! permissions {
    ($($name:ident = $word:literal $about:literal;)+) => {
        /// One thing that may be permitted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Permission { $(#[doc = $about] $name),+ }

        impl Permission {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The word for it, like `tasks:read`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// What it permits, for people.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$name => $about),+ }
            }
        }
    };
}

permissions! {
    TasksSubmit = "tasks:submit" "To submit tasks.";
    TasksRead = "tasks:read" "To list tasks and to see where they stand.";
    TasksPayload = "tasks:payload" "To see contexts, results, details of errors and what commands said.";
    TasksOperate = "tasks:operate" "To give commands and signals to tasks.";
    TemplatesRead = "templates:read" "To see templates.";
    WorkersRead = "workers:read" "To see which processes run tasks.";
    DlqRead = "dlq:read" "To see which tasks were set aside.";
    SchedulesRead = "schedules:read" "To see schedules.";
    SchedulesManage = "schedules:manage" "To pause, resume, trigger and delete schedules.";
    KeysManage = "keys:manage" "To make, list and revoke keys that may no more than one's own.";
    SystemRead = "system:read" "To see metrics and settings.";
}

/// Other words that are read as well, and what they mean.
const ALIASES: &[(&str, &str)] = &[
    ("tasks:create", "tasks:submit"),
    ("tasks:list", "tasks:read"),
    ("tasks:cancel", "tasks:operate"),
    ("tasks:context_read", "tasks:payload"),
    ("steps:read", "tasks:read"),
    ("steps:resolve", "tasks:operate"),
    ("dlq:update", "tasks:operate"),
    ("dlq:stats", "dlq:read"),
    ("templates:validate", "templates:read"),
    ("system:config_read", "system:read"),
    ("system:handlers_read", "workers:read"),
    ("system:analytics_read", "system:read"),
    ("worker:config_read", "system:read"),
    ("worker:templates_read", "templates:read"),
];

/// Nothing is permitted by this word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no permission `{name}`{}",
    nearest.as_ref().map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
)]
pub struct UnknownPermission {
    /// The word.
    pub name: String,
    /// The word that is nearest.
    pub nearest: Option<&'static str>,
}

/// Some permissions.
///
/// ```
/// use tasker_runtime::api::{Permission, Permissions};
///
/// let some = Permissions::read(["tasks:*", "dlq:read"])?;
/// assert!(some.contains(Permission::TasksSubmit) && !some.contains(Permission::KeysManage));
/// assert!(Permissions::all().covers(some));
/// let unknown = Permissions::read(["tasks:raed"]).unwrap_err();
/// assert_eq!(unknown.to_string(), "there is no permission `tasks:raed`; did you mean `tasks:read`?");
/// # Ok::<(), tasker_runtime::api::UnknownPermission>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u32);

impl Permissions {
    /// Every one there is.
    #[must_use]
    pub fn all() -> Self {
        Permission::ALL.iter().copied().collect()
    }

    /// What words permit: `tasks:read` one thing, `tasks:*` all that begins so, `*` everything.
    ///
    /// # Errors
    /// When one of the words permits nothing.
    pub fn read<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Self, UnknownPermission> {
        words.into_iter().try_fold(Self::default(), |all, word| Ok(Self(all.0 | Self::of(word)?.0)))
    }

    /// What words permit as far as anything is permitted by them, and the others.
    #[must_use]
    pub fn known<'w>(words: impl IntoIterator<Item = &'w str>) -> (Self, Vec<UnknownPermission>) {
        let (mut known, mut unknown) = (Self::default(), Vec::new());
        for word in words {
            match Self::of(word) {
                Ok(more) => known.0 |= more.0,
                Err(error) => unknown.push(error),
            }
        }
        (known, unknown)
    }

    fn of(word: &str) -> Result<Self, UnknownPermission> {
        let meant = ALIASES.iter().find(|(alias, _)| *alias == word).map_or(word, |(_, meant)| *meant);
        let fits = |permission: &Permission| match meant.strip_suffix('*') {
            Some("") => true,
            Some(beginning) => beginning.ends_with(':') && permission.as_str().starts_with(beginning),
            None => permission.as_str() == meant,
        };
        let found: Self = Permission::ALL.iter().copied().filter(fits).collect();
        if found == Self::default() {
            let nearest = nearest(word, Permission::ALL.iter().map(|known| known.as_str()));
            return Err(UnknownPermission { name: word.to_owned(), nearest });
        }
        Ok(found)
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u32) != 0
    }

    /// Whether all of the others are among them.
    #[must_use]
    pub const fn covers(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |all, permission| all | 1 << permission as u32))
    }
}

/// As a list of words, each in full.
impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Permission::as_str))
    }
}

/// The permissions that go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sees everything but payloads, keys and settings.
    Viewer,
    /// Sees everything but keys and settings, submits tasks, gives commands and manages schedules.
    Operator,
    /// May everything, also what there will be.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The words of what it permits.
    #[must_use]
    pub const fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Viewer => &["tasks:read", "templates:read", "workers:read", "dlq:read", "schedules:read"],
            Self::Operator => &["tasks:*", "templates:read", "workers:read", "dlq:read", "schedules:*"],
            Self::Admin => &["*"],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == text);
        role.ok_or_else(|| format!("there is no role `{text}`: write viewer, operator or admin"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn word_permits_itself_what_begins_so_or_everything() {
        for permission in Permission::ALL {
            let one = Permissions::read([permission.as_str()]).unwrap();
            assert_eq!(one.iter().collect::<Vec<_>>(), [*permission]);
        }
        assert_eq!(Permissions::read(["*"]).unwrap(), Permissions::all());
        let tasks = Permissions::read(["tasks:*"]).unwrap();
        assert!(tasks.iter().all(|permission| permission.as_str().starts_with("tasks:")));
        assert_eq!(tasks.iter().count(), 4);
        for nothing in ["", ":*", "t*", "tasks*", "tasks:", "nothing:*", "**", "Tasks:read", "tasks:read "] {
            assert!(Permissions::read([nothing]).is_err(), "{nothing}");
        }
        let (known, unknown) = Permissions::known(["tasks:read", "x", "dlq:read"]);
        assert_eq!((known.iter().count(), unknown.len()), (2, 1));
    }

    #[test]
    fn aliases_mean_words_that_permit_something_and_hide_none() {
        for (alias, meant) in ALIASES {
            assert_eq!(Permissions::read([*alias]), Permissions::read([*meant]), "{alias}");
            assert!(Permission::ALL.iter().all(|permission| permission.as_str() != *alias), "{alias}");
        }
    }

    #[test]
    fn roles_permit_ever_more() {
        let [viewer, operator, admin] =
            Role::ALL.map(|role| Permissions::read(role.permissions().iter().copied()).unwrap());
        assert!(operator.covers(viewer) && admin.covers(operator) && admin == Permissions::all());
        assert!(!viewer.contains(Permission::TasksPayload) && !operator.contains(Permission::KeysManage));
        assert!(viewer.iter().all(|permission| permission.as_str().ends_with(":read")));
    }
}
