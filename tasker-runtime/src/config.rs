//! The settings of a process: a file, variables over it, and where each value came from.

mod api;
mod network;
mod variables;

pub use api::ApiSection;
pub use network::{Network, NotANetwork};

pub(crate) use api::MOST_BYTES;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// A setting: its name, what it is for, its default and what it may be.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Section and name, as in `worker.concurrency`.
    pub name: &'static str,
    /// What it decides, with its unit.
    pub about: &'static str,
    /// Its value when nothing else says so.
    pub default: &'static str,
    /// What it may be.
    pub form: Form,
}

/// What a setting may be.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second, both included.
    Number(u64, u64),
    /// Names with commas between; none is fine.
    Names,
    /// Networks with commas between; none is fine.
    Networks,
}

/// Every setting there is.
pub const KEYS: &[Key] = &[
    Key {
        name: "database.url",
        about: "sqlite://file.db, sqlite::memory: or postgres://user@host/database; DATABASE_URL goes first",
        default: "sqlite://tasker.db",
        form: Form::Text,
    },
    Key {
        name: "database.pool_size",
        about: "connections beside those the engine keeps for itself",
        default: "8",
        form: Form::Number(1, 1000),
    },
    Key {
        name: "database.full_sync",
        about: "whether SQLite waits for the disk at each commit; without it a power failure can lose the last ones",
        default: "true",
        form: Form::Flag,
    },
    Key {
        name: "templates.directory",
        about: "where template files are, searched with its folders; a missing one is empty",
        default: "config/tasks",
        form: Form::Text,
    },
    Key {
        name: "templates.replace",
        about: "whether a template that changed without a new version replaces the kept one",
        default: "false",
        form: Form::Flag,
    },
    Key {
        name: "handlers.partial",
        about: "whether templates may name handlers this process does not have; their steps go to others",
        default: "false",
        form: Form::Flag,
    },
    Key {
        name: "limits.max_decision_depth",
        about: "how many decisions may be nested, one below the other on a path of a template",
        default: "20",
        form: Form::Number(1, 1000),
    },
    Key {
        name: "worker.concurrency",
        about: "attempts that run at once",
        default: "100",
        form: Form::Number(1, 100_000),
    },
    Key {
        name: "worker.held_tasks",
        about: "tasks held in memory at once",
        default: "2000",
        form: Form::Number(1, 100_000),
    },
    Key {
        name: "worker.lease_seconds",
        about: "how long after its last sign of life a process's tasks go to others",
        default: "15",
        form: Form::Number(2, 3600),
    },
    Key {
        name: "worker.queues",
        about: "the queues it works for, with commas between: namespaces, and what steps say as `queue`; none: all",
        default: "",
        form: Form::Names,
    },
    Key {
        name: "worker.poll_ms",
        about: "the longest time until work that nobody announced is found",
        default: "1000",
        form: Form::Number(10, 600_000),
    },
    Key {
        name: "worker.wake",
        about: "how work of other processes is found: they tell (PostgreSQL), a poll looks, or both",
        default: "hybrid",
        form: Form::Word(&["polling_only", "event_driven_only", "hybrid"]),
    },
    Key {
        name: "worker.drain_seconds",
        about: "how long stopping waits for handlers",
        default: "5",
        form: Form::Number(0, 3600),
    },
    Key {
        name: "worker.cancel_grace_ms",
        about: "how long a cancelled handler may take to come to an end",
        default: "1000",
        form: Form::Number(0, 600_000),
    },
    Key {
        name: "steps.timeout_seconds",
        about: "how long an attempt may take where neither template nor handler says so",
        default: "300",
        form: Form::Number(1, 86_400),
    },
    Key {
        name: "api.timeout_seconds",
        about: "how long an HTTP call of a handler may take where neither its attribute nor its section says so",
        default: "30",
        form: Form::Number(1, 86_400),
    },
    Key {
        name: "api.max_response_bytes",
        about: "the largest HTTP response that is read where neither attribute nor section says so",
        default: "8388608",
        form: Form::Number(1, MOST_BYTES),
    },
    Key {
        name: "api.allowed_networks",
        about: "private networks that HTTP calls may reach all the same, with commas between: 10.0.0.0/8, 127.0.0.1",
        default: "",
        form: Form::Networks,
    },
];

/// The effective settings.
#[derive(Clone, Debug)]
pub struct Config {
    values: BTreeMap<&'static str, (String, Source)>,
    aliases: BTreeMap<String, String>,
    apis: BTreeMap<String, ApiSection>,
    /// Where the sections stand; there is one file.
    file: Option<Source>,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The built-in default.
    Default,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        problem: String,
    },
    /// There is no such setting.
    #[error("{place}: there is no setting `{key}`{}", nearest.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default())]
    Unknown {
        /// Where it stands.
        place: String,
        /// What was written.
        key: String,
        /// The name that is nearest.
        nearest: Option<&'static str>,
    },
    /// A value is not what it may be.
    #[error("{place}: `{key}` must be {expected}, not `{value}`")]
    Value {
        /// Where it stands.
        place: String,
        /// The setting.
        key: &'static str,
        /// What it may be.
        expected: String,
        /// What was written.
        value: String,
    },
    /// There is no setting that this variable could be about.
    #[error("there is no variable `{name}`{}", nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The name that is nearest.
        nearest: Option<String>,
    },
    /// Several mistakes, all there are.
    #[error("{}", lines(.0))]
    Several(Vec<ConfigError>),
    /// A section `[api.<name>]` has a mistake.
    #[error("{place}: [api.{section}]: {problem}")]
    Api {
        /// Where it stands.
        place: String,
        /// The name of the section.
        section: String,
        /// What is wrong and what may be written.
        problem: String,
    },
}

impl Config {
    /// Reads the settings: the file `TASKER_CONFIG_PATH`, or `config/tasker.toml` here or in a folder above,
    /// if there is one; then `TASKER_…` variables (`TASKER_WORKER_CONCURRENCY`) and `DATABASE_URL`.
    ///
    /// # Errors
    /// When a file or a value cannot be used, or a variable is named like a setting that is not there. Says
    /// everything that is wrong at once.
    pub fn load() -> Result<Self, ConfigError> {
        let path = match env::var_os("TASKER_CONFIG_PATH") {
            Some(path) => Some(PathBuf::from(path)),
            None => env::current_dir().ok().and_then(|here| find_upward(&here)),
        };
        let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        Self::read(path.as_deref(), |name| env::var(name).ok(), variables::unknown(names).collect())
    }

    /// The settings of this file, if any, with these variables over it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_parts(
        file: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Self::read(file, variable, Vec::new())
    }

    fn read(
        file: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
        mut problems: Vec<ConfigError>,
    ) -> Result<Self, ConfigError> {
        let default = |key: &Key| (key.name, (key.default.to_owned(), Source::Default));
        let mut config = Self {
            values: KEYS.iter().map(default).collect(),
            aliases: BTreeMap::new(),
            apis: BTreeMap::new(),
            file: None,
        };
        if let Some(path) = file {
            config.read_file(path, &mut problems)?;
        }
        let names = KEYS.iter().map(|key| (key.name, variables::of(key)));
        for (key, name) in names.chain([("database.url", "DATABASE_URL".to_owned())]) {
            // An empty URL is how scripts say that there is none.
            let value = variable(&name).filter(|value| key != "database.url" || !value.is_empty());
            if let Some(value) = value {
                problems.extend(config.set(&name, key, value, Source::Variable(name.clone())).err());
            }
        }
        match problems.len() {
            0 => Ok(config),
            1 => Err(problems.remove(0)),
            _ => Err(ConfigError::Several(problems)),
        }
    }

    fn read_file(&mut self, path: &Path, problems: &mut Vec<ConfigError>) -> Result<(), ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
        self.file = Some(Source::File(path.to_owned()));
        let place = path.display().to_string();
        for (section, values) in table {
            let toml::Value::Table(values) = values else {
                problems.push(unknown(&place, section));
                continue;
            };
            for (name, value) in values {
                match value {
                    toml::Value::Table(aliases) if section == "handlers" && name == "aliases" => {
                        self.read_aliases(&place, aliases, problems);
                    }
                    toml::Value::Table(api) if section == "api" => {
                        let api = ApiSection::read(path, &name, api, problems);
                        self.apis.insert(name, api);
                    }
                    value => {
                        let (key, source) = (format!("{section}.{name}"), Source::File(path.to_owned()));
                        problems.extend(self.set(&place, &key, written(value), source).err());
                    }
                }
            }
        }
        Ok(())
    }

    fn read_aliases(&mut self, place: &str, aliases: toml::Table, problems: &mut Vec<ConfigError>) {
        for (from, to) in aliases {
            match to {
                toml::Value::String(to) => drop(self.aliases.insert(from, to)),
                other => problems.push(ConfigError::Value {
                    place: place.to_owned(),
                    key: "handlers.aliases",
                    expected: format!("names of handlers in quotes, `\"{from}\" = \"a_handler\"`"),
                    value: written(other),
                }),
            }
        }
    }

    fn set(&mut self, place: &str, name: &str, value: String, source: Source) -> Result<(), ConfigError> {
        let key = KEYS.iter().find(|key| key.name == name).ok_or_else(|| unknown(place, name.to_owned()))?;
        let expected = match key.form {
            Form::Text => None,
            Form::Names => list(&value).any(str::is_empty).then(|| "names with commas between".to_owned()),
            Form::Word(words) => (!words.contains(&&*value)).then(|| format!("one of {}", words.join(", "))),
            Form::Flag => (!matches!(&*value, "true" | "false")).then(|| "true or false".to_owned()),
            Form::Number(least, most) => value
                .parse::<u64>()
                .map_or(true, |number| number < least || number > most)
                .then(|| format!("a whole number from {least} to {most}")),
            Form::Networks => Network::list(&value)
                .is_err()
                .then(|| "networks with commas between, `10.0.0.0/8, ::1`".to_owned()),
        };
        if let Some(expected) = expected {
            return Err(ConfigError::Value { place: place.to_owned(), key: key.name, expected, value });
        }
        self.values.insert(key.name, (value, source));
        Ok(())
    }

    /// The value of a setting of [`KEYS`], as text; empty for other names.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", |(value, _)| value)
    }

    /// The value of a numeric setting; 0 for other names.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// The value of a flag; false for other names.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    /// Where the value of a setting came from.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.values.get(name).map(|(_, source)| source)
    }

    /// Other names of handlers, from `[handlers.aliases]`: what templates write, and the handler meant.
    #[must_use]
    pub fn aliases(&self) -> &BTreeMap<String, String> {
        &self.aliases
    }

    /// The sections `[api.<name>]`, by name.
    #[must_use]
    pub fn apis(&self) -> &BTreeMap<String, ApiSection> {
        &self.apis
    }

    /// The file that was read, if there was one.
    pub(crate) fn file(&self) -> Option<&Source> {
        self.file.as_ref()
    }

    /// Where a section `[api.<name>]` came from.
    #[must_use]
    pub fn api_source(&self, name: &str) -> Option<&Source> {
        self.file.as_ref().filter(|_| self.apis.contains_key(name))
    }

    /// The networks of a setting that is a list of them; none for other names.
    #[must_use]
    pub fn networks(&self, name: &str) -> Vec<Network> {
        Network::list(self.text(name)).unwrap_or_default()
    }

    /// The names of a setting that is a list of them; none for other settings.
    pub(crate) fn names(&self, name: &str) -> Vec<String> {
        list(self.text(name)).map(str::to_owned).collect()
    }

    pub(crate) fn seconds(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    pub(crate) fn millis(&self, name: &str) -> Duration {
        Duration::from_millis(self.number(name))
    }
}

/// A value of the file as text. What no setting may be is named by its type.
fn written(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(flag) => flag.to_string(),
        other => format!("a {}", other.type_str()),
    }
}

fn lines(problems: &[ConfigError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What stands between the commas.
fn list(text: &str) -> impl Iterator<Item = &str> {
    let whole = Some(text.trim()).filter(|text| !text.is_empty());
    whole.into_iter().flat_map(|text| text.split(',')).map(str::trim)
}

fn unknown(place: &str, key: String) -> ConfigError {
    let alike = |candidate: &Key| strsim::jaro_winkler(candidate.name, &key);
    let nearest = KEYS.iter().max_by(|a, b| alike(a).total_cmp(&alike(b))).filter(|best| alike(best) > 0.8);
    ConfigError::Unknown { place: place.to_owned(), nearest: nearest.map(|key| key.name), key }
}

fn find_upward(from: &Path) -> Option<PathBuf> {
    from.ancestors().map(|folder| folder.join("config/tasker.toml")).find(|path| path.is_file())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn with_file(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        Config::from_parts(Some(file.path()), |_| None)
    }

    #[test]
    fn variables_go_before_the_file_and_the_file_before_defaults() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "[worker]\nconcurrency = 7\npoll_ms = 70\n").unwrap();
        let variable = |name: &str| (name == "TASKER_WORKER_POLL_MS").then(|| "50".to_owned());
        let config = Config::from_parts(Some(file.path()), variable).unwrap();
        assert_eq!(config.number("worker.concurrency"), 7);
        assert_eq!(config.number("worker.poll_ms"), 50);
        assert_eq!(config.number("worker.lease_seconds"), 15);
        assert_eq!(config.source("worker.lease_seconds"), Some(&Source::Default));
    }

    #[test]
    fn unknown_settings_and_impossible_values_are_refused_with_the_way_out() {
        let unknown = with_file("[worker]\nconcurency = 7\n").unwrap_err().to_string();
        assert!(
            unknown.ends_with("there is no setting `worker.concurency`; did you mean `worker.concurrency`?")
        );
        let range = with_file("[worker]\nconcurrency = 0\n").unwrap_err().to_string();
        assert!(range.ends_with("`worker.concurrency` must be a whole number from 1 to 100000, not `0`"));
    }

    #[test]
    fn the_committed_file_has_every_setting_with_its_default() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tasker.toml");
        let text = fs::read_to_string(&file).unwrap();
        let config = Config::from_parts(Some(&file), |_| None).unwrap();
        for key in KEYS {
            assert_eq!(config.text(key.name), key.default, "{}", key.name);
            assert!(text.contains(key.about), "the file says of {}: {}", key.name, key.about);
            assert_ne!(config.source(key.name), Some(&Source::Default), "{} is missing", key.name);
        }
    }

    #[test]
    fn every_default_is_a_value_its_setting_may_have() {
        let mut config = Config::from_parts(None, |_| None).unwrap();
        for key in KEYS {
            config.set("default", key.name, key.default.to_owned(), Source::Default).unwrap();
        }
    }
}
