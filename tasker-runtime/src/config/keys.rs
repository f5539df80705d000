//! The table of all settings: their types, defaults, units and ranges.

use std::{path::PathBuf, time::Duration};

use super::{MOST_BYTES, Network};

/// A setting: its name, what it is for, its default and what it may be.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Section and name, as in `worker.concurrency`.
    pub name: &'static str,
    /// What it decides.
    pub about: &'static str,
    /// Its value when nothing else says so, as a file or a variable would write it.
    pub default: &'static str,
    /// What it may be.
    pub form: Form,
}

/// What a setting may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Any text but an empty one.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A whole number within a range, both ends included.
    Number {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
        /// What is counted.
        unit: Unit,
    },
    /// Names separated by commas, possibly none.
    Names,
    /// Networks separated by commas, possibly none.
    Networks,
}

/// What the number of a setting counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things that the setting itself names.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Days of 24 hours.
    Days,
}

/// The seconds of a day.
const DAY: u64 = 86_400;

const fn number(min: u64, max: u64, unit: Unit) -> Form {
    Form::Number { min, max, unit }
}

impl Form {
    /// What may be written, for people.
    pub(super) fn expected(self) -> String {
        match self {
            Self::Text => "text in quotes, and not empty".to_owned(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Flag => "true or false".to_owned(),
            Self::Number { min, max, .. } => format!("a whole number from {min} to {max}"),
            Self::Names => "names separated by commas, `\"a, b\"`".to_owned(),
            Self::Networks => "networks separated by commas, `\"10.0.0.0/8, ::1\"`".to_owned(),
        }
    }
}

/// How a process finds work that other processes made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wake {
    /// It looks at every poll. Works behind transaction poolers.
    PollingOnly,
    /// Others notify it, which only PostgreSQL can do; it looks by itself only at every tenth poll.
    EventDrivenOnly,
    /// Both: a notification comes at once, and a poll finds what was missed.
    #[default]
    Hybrid,
}

impl Wake {
    const ALL: [Self; 3] = [Self::PollingOnly, Self::EventDrivenOnly, Self::Hybrid];

    /// Whether processes notify each other.
    pub(crate) fn listens(self) -> bool {
        self != Self::PollingOnly
    }

    /// The word for it in the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PollingOnly => "polling_only",
            Self::EventDrivenOnly => "event_driven_only",
            Self::Hybrid => "hybrid",
        }
    }
}

/// A type that a setting can have. The form of the setting says what is in range.
trait Setting: Sized {
    /// Reads what a file or a variable says; `None` where it is not what the form asks for.
    fn read(text: &str, form: Form) -> Option<Self>;

    /// The text that is read back as this value.
    fn text(&self, form: Form) -> String;
}

macro_rules! numbers {
    ($($type:ty),+) => {
        $(impl Setting for $type {
            fn read(text: &str, form: Form) -> Option<Self> {
                in_range(text, form)?.try_into().ok()
            }

            fn text(&self, _: Form) -> String {
                self.to_string()
            }
        })+
    };
}
numbers!(u32, u64, usize);

fn in_range(text: &str, form: Form) -> Option<u64> {
    let Form::Number { min, max, .. } = form else { return None };
    text.parse().ok().filter(|number| (min..=max).contains(number))
}

impl Setting for Duration {
    fn read(text: &str, form: Form) -> Option<Self> {
        let number = in_range(text, form)?;
        match form {
            Form::Number { unit: Unit::Millis, .. } => Some(Self::from_millis(number)),
            Form::Number { unit: Unit::Seconds, .. } => Some(Self::from_secs(number)),
            Form::Number { unit: Unit::Days, .. } => number.checked_mul(DAY).map(Self::from_secs),
            _ => None,
        }
    }

    fn text(&self, form: Form) -> String {
        match form {
            Form::Number { unit: Unit::Millis, .. } => self.as_millis().to_string(),
            Form::Number { unit: Unit::Days, .. } => (self.as_secs() / DAY).to_string(),
            _ => self.as_secs().to_string(),
        }
    }
}

impl Setting for bool {
    fn read(text: &str, _: Form) -> Option<Self> {
        text.parse().ok()
    }

    fn text(&self, _: Form) -> String {
        self.to_string()
    }
}

impl Setting for String {
    fn read(text: &str, _: Form) -> Option<Self> {
        Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn text(&self, _: Form) -> String {
        self.clone()
    }
}

impl Setting for PathBuf {
    fn read(text: &str, _: Form) -> Option<Self> {
        (!text.is_empty()).then(|| text.into())
    }

    fn text(&self, _: Form) -> String {
        self.display().to_string()
    }
}

impl Setting for Wake {
    fn read(text: &str, _: Form) -> Option<Self> {
        Self::ALL.into_iter().find(|wake| wake.as_str() == text)
    }

    fn text(&self, _: Form) -> String {
        self.as_str().to_owned()
    }
}

impl Setting for Vec<String> {
    fn read(text: &str, _: Form) -> Option<Self> {
        if text.trim().is_empty() {
            return Some(Self::new());
        }
        let names: Self = text.split(',').map(|name| name.trim().to_owned()).collect();
        (!names.iter().any(String::is_empty)).then_some(names)
    }

    fn text(&self, _: Form) -> String {
        self.join(", ")
    }
}

impl Setting for Vec<Network> {
    fn read(text: &str, _: Form) -> Option<Self> {
        Network::list(text).ok()
    }

    fn text(&self, _: Form) -> String {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Makes a struct of each section, one of all of them, and the table that says everything about each field.
macro_rules! settings {
    ($(#[doc = $of:literal] $section:ident: $name:ident {
        $($field:ident ($key:literal): $type:ty = $default:literal, $form:expr, $about:literal;)+
    })+) => {
        $(#[doc = $of]
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $(#[doc = concat!("`", stringify!($section), ".", $key, "`, `", $default, "` by default: ", $about, ".")]
            pub $field: $type,)+
        })+

        /// The values of all settings, each in its section.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Settings {
            $(#[doc = $of]
            pub $section: $name,)+
        }

        /// Every setting there is.
        pub const KEYS: &[Key] = &[$($(Key {
            name: concat!(stringify!($section), ".", $key),
            about: $about,
            default: $default,
            form: $form,
        },)+)+];

        impl Default for Settings {
            fn default() -> Self {
                Self { $($section: $name {
                    // A test reads every default.
                    $($field: <$type>::read($default, $form).unwrap_or_default(),)+
                },)+ }
            }
        }

        impl Settings {
            /// Takes a value for a setting; `false` where it is not what the setting may be.
            pub(super) fn set(&mut self, key: &Key, text: &str) -> bool {
                $($(if key.name == concat!(stringify!($section), ".", $key) {
                    let read = <$type>::read(text, $form);
                    let fits = read.is_some();
                    self.$section.$field = read.unwrap_or_else(|| self.$section.$field.clone());
                    return fits;
                })+)+
                false
            }

            /// Each setting with its value as text, in the order of [`KEYS`].
            pub(super) fn texts(&self) -> impl Iterator<Item = (&'static Key, String)> {
                let texts = vec![$($(self.$section.$field.text($form),)+)+];
                KEYS.iter().zip(texts)
            }
        }
    };
}

settings! {
    /// The database and how it is used.
    database: Database {
        url ("url"): String = "sqlite://tasker.db", Form::Text,
            "sqlite://file.db, sqlite::memory: or postgres://user@host/database; DATABASE_URL takes precedence";
        pool_size ("pool_size"): u32 = "8", number(1, 1000, Unit::Count),
            "connections in addition to those the engine keeps for itself";
        full_sync ("full_sync"): bool = "true", Form::Flag,
            "whether SQLite waits for the disk at each commit; without it a power failure can lose the latest ones";
    }
    /// The template files.
    templates: Templates {
        directory ("directory"): PathBuf = "config/tasks", Form::Text,
            "the folder of the template files, including its subfolders; a missing one counts as empty";
        replace ("replace"): bool = "false", Form::Flag,
            "whether a template that changed without a new version replaces the stored one while open tasks use that";
    }
    /// The handlers of this process.
    handlers: Handlers {
        partial ("partial"): bool = "false", Form::Flag,
            "whether templates may name handlers this process lacks; their steps go to other processes";
    }
    /// Limits on templates and on what tasks carry.
    limits: Limits {
        max_decision_depth ("max_decision_depth"): u32 = "20", number(1, 1000, Unit::Count),
            "how many decisions may follow one another on a path through a template";
        max_payload ("max_payload_bytes"): usize = "1048576", number(1024, 67_108_864, Unit::Bytes),
            "how large the context of a task and the result of a step may be";
    }
    /// How this process runs tasks.
    worker: Worker {
        concurrency ("concurrency"): usize = "100", number(1, 100_000, Unit::Count),
            "attempts that run at the same time";
        held_tasks ("held_tasks"): usize = "2000", number(1, 100_000, Unit::Count),
            "tasks kept in memory at the same time";
        lease ("lease_seconds"): Duration = "15", number(2, 3600, Unit::Seconds),
            "how long after the last heartbeat of a process its tasks go to others";
        queues ("queues"): Vec<String> = "", Form::Names,
            "the queues to work for, separated by commas: namespaces, and what steps name as `queue`; none means all";
        poll ("poll_ms"): Duration = "1000", number(10, 600_000, Unit::Millis),
            "the longest time until work that nobody announced is found";
        wake ("wake"): Wake = "hybrid", Form::Word(&["polling_only", "event_driven_only", "hybrid"]),
            "how work from other processes is found: by polling, by notifications (PostgreSQL), or by both";
        drain ("drain_seconds"): Duration = "5", number(0, 3600, Unit::Seconds),
            "how long a stopping process waits for its handlers";
        cancel_grace ("cancel_grace_ms"): Duration = "1000", number(0, 600_000, Unit::Millis),
            "how long a cancelled handler may take to finish";
    }
    /// The HTTP service.
    server: Server {
        listen ("listen"): String = "127.0.0.1:8081", Form::Text,
            "the address of the HTTP service of `serve`; port 0 means any that is free, `off` none";
        max_body ("max_body_bytes"): usize = "1048576", number(1024, 67_108_864, Unit::Bytes),
            "how large the body of a request may be";
        drain_delay ("drain_delay_seconds"): Duration = "0", number(0, 3600, Unit::Seconds),
            "how long a stopping service serves as before while it says that it is not ready";
    }
    /// Tokens of others by which the HTTP service knows who asks.
    auth: Auth {
        jwks ("jwks"): String = "off", Form::Text,
            "the public keys that tokens are signed by: a file, or an address that begins with https://; `off` takes none";
        issuer ("issuer"): Vec<String> = "", Form::Names,
            "who gives out the tokens that are taken, separated by commas, as `iss` has it";
        audience ("audience"): Vec<String> = "", Form::Names,
            "for whom tokens that are taken are, separated by commas, as `aud` has it";
    }
    /// How steps run.
    steps: Steps {
        timeout ("timeout_seconds"): Duration = "300", number(1, 86_400, Unit::Seconds),
            "how long an attempt may take unless the template or the handler says otherwise";
    }
    /// How long tasks are kept that are over.
    retention: Retention {
        complete ("complete_days"): Duration = "0", number(0, 36_500, Unit::Days),
            "how many days a task that is complete is kept before a process that runs tasks deletes it; 0 means for ever";
        failed ("failed_days"): Duration = "0", number(0, 36_500, Unit::Days),
            "the same of a task that failed, was cancelled or was rolled back";
    }
    /// The HTTP calls of handlers.
    api: Apis {
        timeout ("timeout_seconds"): Duration = "30", number(1, 86_400, Unit::Seconds),
            "how long an HTTP call of a handler may take unless its attribute or its section says otherwise";
        max_response_bytes ("max_response_bytes"): u64 = "8388608", number(1, MOST_BYTES, Unit::Bytes),
            "the largest HTTP response that is read unless the attribute or the section says otherwise";
        allowed_networks ("allowed_networks"): Vec<Network> = "", Form::Networks,
            "private networks that HTTP calls may reach nevertheless, separated by commas: 10.0.0.0/8, 127.0.0.1";
    }
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_its_setting_may_have() {
        for key in KEYS {
            assert!(Settings::default().set(key, key.default), "{}", key.name);
        }
    }

    #[test]
    fn what_a_value_shows_as_is_read_as_the_same_value() {
        let mut settings = Settings::default();
        for key in KEYS {
            let other = match key.form {
                Form::Number { max, .. } => max.to_string(),
                Form::Flag => "true".to_owned(),
                Form::Word(words) => words[0].to_owned(),
                Form::Names => "a, b".to_owned(),
                Form::Networks => "10.0.0.0/8, ::1/128".to_owned(),
                Form::Text => "x".to_owned(),
            };
            assert!(settings.set(key, &other), "{}", key.name);
            let shown = settings.texts().find(|(found, _)| found.name == key.name).map(|(_, text)| text);
            assert_eq!(shown.as_ref(), Some(&other), "{}", key.name);
        }
    }

    #[test]
    fn words_of_the_table_are_those_that_are_read() {
        let Some(Form::Word(words)) = KEYS.iter().find(|key| key.name == "worker.wake").map(|key| key.form)
        else {
            panic!("not a word");
        };
        assert_eq!(words, Wake::ALL.map(Wake::as_str));
    }
}
