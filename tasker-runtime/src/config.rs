//! The settings of a process: a file, variables over it, and where each value came from.

mod api;
mod file;
mod keys;
mod network;
mod redact;
mod variables;

pub use api::ApiSection;
pub use keys::{
    Apis, Database, Form, Handlers, KEYS, Key, Limits, Retention, Server, Settings, Steps, Templates, Unit,
    Wake, Worker,
};
pub use network::{Network, NotANetwork};

pub(crate) use api::MOST_BYTES;
pub(crate) use redact::redact;

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The effective settings.
///
/// ```
/// use tasker_runtime::config::Config;
///
/// let variable = |name: &str| (name == "TASKER_WORKER_LEASE_SECONDS").then(|| "20".to_owned());
/// let config = Config::from_parts(None, variable)?;
/// assert_eq!(config.settings().worker.lease.as_secs(), 20);
/// assert_eq!(config.settings().worker.concurrency, 100);
/// # Ok::<(), tasker_runtime::config::ConfigError>(())
/// ```
///
/// A setting is a field, so a misspelt one does not compile:
///
/// ```compile_fail,E0609
/// # let config = tasker_runtime::config::Config::from_parts(None, |_| None).unwrap();
/// let attempts = config.settings().worker.concurency;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Config {
    settings: Settings,
    /// Where the values came from that are not defaults.
    sources: BTreeMap<&'static str, Source>,
    aliases: BTreeMap<String, String>,
    apis: BTreeMap<String, ApiSection>,
    /// Where the sections stand; there is one file.
    file: Option<Source>,
    warnings: Vec<String>,
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

/// A setting with its value.
#[derive(Clone, Debug)]
pub struct Effective<'a> {
    /// The setting.
    pub key: &'static Key,
    /// Its value as text, without passwords.
    pub value: String,
    /// Where the value came from.
    pub source: &'a Source,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not valid TOML.
    #[error("{place}: not valid TOML: {}", redact(problem))]
    Syntax {
        /// The file and the line.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// There is no such setting.
    #[error("{place}: there is no setting `{}`{}", redact(key), nearest.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default())]
    Unknown {
        /// The file and the line.
        place: String,
        /// What was written.
        key: String,
        /// The nearest name.
        nearest: Option<&'static str>,
    },
    /// A value is not what it may be.
    #[error("{place}: `{key}` must be {expected}, not {}", redact(found))]
    Value {
        /// The file and the line, or the variable.
        place: String,
        /// The setting.
        key: &'static str,
        /// What it may be.
        expected: String,
        /// What was written.
        found: String,
    },
    /// A variable is almost the name of a setting.
    #[error("there is no variable `{name}`; did you mean `{nearest}`?")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The nearest name.
        nearest: String,
    },
    /// The value of a variable is not text.
    #[error("{name}: the value is not valid UTF-8")]
    NotUtf8 {
        /// The variable.
        name: String,
    },
    /// Several mistakes: all there are.
    #[error("{}", lines(.0))]
    Several(Vec<ConfigError>),
    /// A section `[api.<name>]` has a mistake.
    #[error("{place}: [api.{section}]: {problem}")]
    Api {
        /// The file and the line of the section.
        place: String,
        /// The name of the section.
        section: String,
        /// What is wrong and what may be written.
        problem: String,
    },
}

impl Config {
    /// Reads the settings: the file `TASKER_CONFIG_PATH`, or else `config/tasker.toml` in the working directory
    /// or a folder above it, if there is one; then `TASKER_…` variables (`TASKER_WORKER_CONCURRENCY`) and
    /// `DATABASE_URL`.
    ///
    /// # Errors
    /// When the file or a value cannot be used, or a variable is almost named like a setting. Reports everything
    /// that is wrong at once.
    pub fn load() -> Result<Self, ConfigError> {
        let path = match env::var_os("TASKER_CONFIG_PATH").filter(|path| !path.is_empty()) {
            Some(path) => Some(PathBuf::from(path)),
            None => env::current_dir().ok().and_then(|here| find_upward(&here)),
        };
        let names: Vec<OsString> = env::vars_os().map(|(name, _)| name).collect();
        Self::read(path.as_deref(), |name| env::var_os(name), names)
    }

    /// The settings of this file, if any, overridden by these variables.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_parts(
        file: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Self::read(file, |name| variable(name).map(OsString::from), Vec::new())
    }

    fn read(
        file: Option<&Path>,
        variable: impl Fn(&str) -> Option<OsString>,
        names: Vec<OsString>,
    ) -> Result<Self, ConfigError> {
        let (mut config, mut problems) = (Self::default(), Vec::new());
        if let Some(path) = file {
            config.take_file(path, &mut problems);
        }
        config.take_variables(variable, &mut problems);
        let unknown = variables::unknown(names.into_iter(), |name| config.mentions(name));
        problems.extend(unknown.mistakes);
        if !unknown.others.is_empty() {
            let names = unknown.others.join(", ");
            config.warnings.push(format!("not a setting, and ignored: {names}"));
        }
        match problems.len() {
            0 => Ok(config),
            1 => Err(problems.remove(0)),
            _ => Err(ConfigError::Several(problems)),
        }
    }

    fn take_file(&mut self, path: &Path, problems: &mut Vec<ConfigError>) {
        let contents = file::read(path, problems);
        let source = Source::File(path.to_owned());
        for file::Written { key, text, place } in contents.values {
            problems.extend(self.set(key, &text, place, source.clone()).err());
        }
        (self.aliases, self.apis, self.file) = (contents.aliases, contents.apis, Some(source));
    }

    fn take_variables(
        &mut self,
        variable: impl Fn(&str) -> Option<OsString>,
        problems: &mut Vec<ConfigError>,
    ) {
        let url = KEYS.iter().filter(|key| key.name == "database.url");
        let names = KEYS.iter().map(|key| (key, variables::of(key)));
        for (key, name) in names.chain(url.map(|key| (key, "DATABASE_URL".to_owned()))) {
            let Some(value) = variable(&name) else { continue };
            match value.into_string() {
                // An empty URL is how scripts say that there is none.
                Ok(text) if key.name == "database.url" && text.trim().is_empty() => {}
                Ok(text) => problems.extend(self.set(key, &text, name.clone(), Source::Variable(name)).err()),
                Err(_) => problems.push(ConfigError::NotUtf8 { name }),
            }
        }
    }

    fn set(
        &mut self,
        key: &'static Key,
        text: &str,
        place: String,
        source: Source,
    ) -> Result<(), ConfigError> {
        if !self.settings.set(key, text) {
            let (expected, found) = (key.form.expected(), format!("`{text}`"));
            return Err(ConfigError::Value { place, key: key.name, expected, found });
        }
        self.sources.insert(key.name, source);
        Ok(())
    }

    /// Whether a section `[api.<name>]` uses this variable.
    fn mentions(&self, variable: &str) -> bool {
        let used = format!("${{{variable}}}");
        self.apis
            .values()
            .flat_map(|api| api.base_url.iter().chain(api.headers.values()))
            .any(|text| text.contains(&used))
    }

    /// The values of all settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Every setting with its value and where that came from, in the order of [`KEYS`].
    pub fn effective(&self) -> impl Iterator<Item = Effective<'_>> {
        self.settings.texts().map(|(key, text)| Effective {
            key,
            value: redact(&text),
            source: self.sources.get(key.name).unwrap_or(&Source::Default),
        })
    }

    /// What is not wrong but may not be meant, such as variables that begin with `TASKER_` and are not settings.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
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
    #[cfg(feature = "cli")]
    pub(crate) fn file(&self) -> Option<&Source> {
        self.file.as_ref()
    }

    /// Where a section `[api.<name>]` came from.
    #[must_use]
    pub fn api_source(&self, name: &str) -> Option<&Source> {
        self.file.as_ref().filter(|_| self.apis.contains_key(name))
    }
}

fn lines(problems: &[ConfigError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn find_upward(from: &Path) -> Option<PathBuf> {
    from.ancestors().map(|folder| folder.join("config/tasker.toml")).find(|path| path.is_file())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
