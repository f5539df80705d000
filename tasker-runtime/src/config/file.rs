//! Reads the file of the settings.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{ApiSection, ConfigError, Form, KEYS, Key};
use crate::template::nearest;

/// The largest file that is read, in bytes: 1 MiB.
const MAX_FILE: u64 = 1 << 20;

/// A value of the file, and where it stands.
pub(super) struct Written {
    pub key: &'static Key,
    pub text: String,
    /// File and line.
    pub place: String,
}

/// What a file says.
#[derive(Default)]
pub(super) struct Contents {
    pub values: Vec<Written>,
    pub aliases: BTreeMap<String, String>,
    pub apis: BTreeMap<String, ApiSection>,
}

/// Reads a file. Everything that is wrong with it goes to `problems`.
pub(super) fn read(path: &Path, problems: &mut Vec<ConfigError>) -> Contents {
    let text = match read_text(path) {
        Ok(text) => text,
        Err(source) => {
            problems.push(ConfigError::Unreadable { path: path.to_owned(), source });
            return Contents::default();
        }
    };
    let mut reader = Reader { path, text: &text, contents: Contents::default(), problems };
    let (table, mistakes) = DeTable::parse_recoverable(&text);
    for mistake in &mistakes {
        // Not as the parser shows it, which is with the line of the file: that may hold a password.
        let place = reader.place(mistake.span().map_or(0, |span| span.start));
        reader.problems.push(ConfigError::Syntax { place, problem: mistake.message().to_owned() });
    }
    if mistakes.is_empty() {
        reader.sections(table.get_ref());
    }
    reader.contents
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|&byte| byte == b'\n').count();
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not valid UTF-8"))
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    contents: Contents,
    problems: &'a mut Vec<ConfigError>,
}

impl Reader<'_> {
    /// The file and the line at this byte.
    fn place(&self, at: usize) -> String {
        let line = self.text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }

    fn sections(&mut self, table: &DeTable<'_>) {
        for (section, values) in table {
            let place = self.place(section.span().start);
            let section = section.get_ref();
            let Some(values) = values.get_ref().as_table() else {
                self.problems.push(unknown(place, section));
                continue;
            };
            for (name, value) in values {
                let place = self.place(name.span().start);
                match (&**section, &**name.get_ref(), value.get_ref()) {
                    ("handlers", "aliases", DeValue::Table(aliases)) => self.aliases(aliases),
                    ("api", name, DeValue::Table(values)) => {
                        let api = ApiSection::read(&PathBuf::from(place), name, owned(values), self.problems);
                        self.contents.apis.insert(name.to_owned(), api);
                    }
                    (section, name, value) => self.value(place, &format!("{section}.{name}"), value),
                }
            }
        }
    }

    fn value(&mut self, place: String, name: &str, value: &DeValue<'_>) {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            self.problems.push(unknown(place, name));
            return;
        };
        match as_text(value, key.form) {
            Some(text) => self.contents.values.push(Written { key, text, place }),
            None => self.problems.push(ConfigError::Value {
                place,
                key: key.name,
                expected: key.form.expected(),
                found: found(value),
            }),
        }
    }

    fn aliases(&mut self, aliases: &DeTable<'_>) {
        for (from, to) in aliases {
            let place = self.place(from.span().start);
            match to.get_ref() {
                DeValue::String(to) => {
                    self.contents.aliases.insert(from.get_ref().to_string(), to.to_string());
                }
                other => self.problems.push(ConfigError::Value {
                    place,
                    key: "handlers.aliases",
                    expected: format!(
                        "names of handlers in quotes, `\"{}\" = \"a_handler\"`",
                        from.get_ref()
                    ),
                    found: found(other),
                }),
            }
        }
    }
}

/// A value as a variable would say it. Text may hold a number or a flag, and nothing else may hold text.
fn as_text(value: &DeValue<'_>, form: Form) -> Option<String> {
    match (value, form) {
        (DeValue::String(text), _) => Some(text.to_string()),
        (DeValue::Integer(_), Form::Number { .. }) => integer(value).map(|number| number.to_string()),
        (DeValue::Boolean(flag), Form::Flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A number that TOML may have written with another radix.
fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// What stands there instead of what should.
fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("`{text}`"),
        DeValue::Integer(number) => format!("the number {}", number.as_str()),
        DeValue::Float(number) => format!("the fraction {}", number.as_str()),
        DeValue::Boolean(flag) => format!("`{flag}`"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn owned(table: &DeTable<'_>) -> toml::Table {
    table.iter().map(|(name, value)| (name.get_ref().to_string(), owned_value(value.get_ref()))).collect()
}

fn owned_value(value: &DeValue<'_>) -> toml::Value {
    match value {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(number) => integer(value)
            .map_or_else(|| toml::Value::String(number.as_str().to_owned()), toml::Value::Integer),
        DeValue::Float(number) => toml::Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => toml::Value::Boolean(*flag),
        DeValue::Datetime(date) => toml::Value::Datetime(*date),
        DeValue::Array(items) => {
            items.iter().map(|item| owned_value(item.get_ref())).collect::<Vec<_>>().into()
        }
        DeValue::Table(table) => toml::Value::Table(owned(table)),
    }
}

fn unknown(place: String, key: &str) -> ConfigError {
    let nearest = nearest(key, KEYS.iter().map(|known| known.name));
    ConfigError::Unknown { place, key: key.to_owned(), nearest }
}
