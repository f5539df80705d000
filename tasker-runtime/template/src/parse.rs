//! The entry to everything that is read.

use serde_json::Value;

use crate::place::Lines;
use crate::read;
use crate::report::{Code, Findings, Position, Report};
use crate::schedule::Schedule;
use crate::step::HandlerRef;
use crate::template::Template;
use crate::tree::Tree;
use crate::yaml;

/// The largest file that is read, in bytes.
pub const MAX_FILE: usize = 1 << 20;

/// A callable that no handler answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownHandler {
    /// What is wrong, lower case.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

/// Checks a JSON Schema; an error says in a few words what is wrong with it.
pub type SchemaCheck<'a> = &'a (dyn Fn(&Value) -> Result<(), String> + Sync);

/// Checks that a handler exists.
pub type HandlerCheck<'a> = &'a (dyn Fn(&HandlerRef) -> Result<(), UnknownHandler> + Sync);

/// What a template is read for, and what it is checked against besides itself.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// The environment whose changes are merged in, the value of `TASKER_ENV`. A file that does not
    /// have it is taken as it stands. All others are checked as well.
    pub environment: Option<&'a str>,
    /// Called with every JSON Schema: of the input, of results, of events. Absent: any mapping is taken.
    pub schema_check: Option<SchemaCheck<'a>>,
    /// Called with the handler of every step. Absent: any callable is taken.
    pub handler_check: Option<HandlerCheck<'a>>,
    /// How many decisions may follow one another on a path. Absent: as many as there are steps.
    pub max_decision_depth: Option<u32>,
}

/// A template that passed, with what has no effect in it.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The template.
    pub template: Template,
    /// Warnings only.
    pub report: Report,
    /// Where its name stands, and that line.
    pub(crate) name: (Option<Position>, Option<String>),
}

impl Template {
    /// Reads a template from YAML and checks everything about it. `file` is the name for messages.
    ///
    /// ```
    /// use tasker_template::{Code, Options, Template};
    ///
    /// let text = "name: greet\nsteps:\n  - name: say\n  - {name: wave, depends_on: [sya]}\n";
    /// let report = Template::parse("greet.yaml", text, &Options::default()).unwrap_err();
    /// assert_eq!(report.mistakes[0].code, Code::UnknownDependency);
    /// assert_eq!(
    ///     report.to_string(),
    ///     "\
    /// error[unknown_dependency]: step `wave` depends on `sya`, which is no step
    ///  --> greet.yaml:4:31
    ///   |
    /// 4 |   - {name: wave, depends_on: [sya]}
    ///   |                               ^^^
    ///   |
    ///   = help: did you mean `say`?"
    /// );
    /// let good = Template::parse("greet.yaml", &text.replace("sya", "say"), &Options::default())?;
    /// assert_eq!(good.template.order(), [0, 1]);
    /// # Ok::<(), tasker_template::Report>(())
    /// ```
    ///
    /// # Errors
    /// A report of every mistake, with its place and the way out.
    pub fn parse(file: &str, text: &str, options: &Options<'_>) -> Result<Parsed, Report> {
        if text.len() > MAX_FILE {
            return Err(too_large(file, text.len()));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match yaml::read(text) {
            Ok((tree, found)) => finish(file, Some(text), &tree, found, options),
            Err(found) => Err(Report::new(file, Some(text), None, found)),
        }
    }

    /// As [`Template::parse`], from bytes that may be no text.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse_bytes(file: &str, bytes: &[u8], options: &Options<'_>) -> Result<Parsed, Report> {
        if bytes.len() > MAX_FILE {
            return Err(too_large(file, bytes.len()));
        }
        Self::parse(file, text_of(file, bytes)?, options)
    }
}

/// The text of a file.
pub(crate) fn text_of<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, Report> {
    std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].split(|&byte| byte == b'\n').count();
        let message = format!("line {line} is not UTF-8 text");
        Report::of_file(file, Code::NotUtf8, message, Some("save the file as UTF-8".to_owned()))
    })
}

impl Schedule {
    /// Reads a schedule from YAML, as it stands in a file of its own, and checks everything about it. `file` is the name
    /// for messages; with it comes `template`, where the file says what it starts tasks of.
    ///
    /// ```
    /// use tasker_template::Schedule;
    ///
    /// let (template, nightly) = Schedule::parse("nightly.yaml", "{template: shop/report, cron: \"@daily\"}")?;
    /// assert_eq!(template.as_deref(), Some("shop/report"));
    /// assert_eq!(nightly, Schedule::cron("@daily"));
    ///
    /// let report = Schedule::parse("nightly.yaml", "{cron: \"0 25 * * *\"}").unwrap_err();
    /// assert_eq!(report.mistakes[0].path, "cron");
    /// # Ok::<(), tasker_template::Report>(())
    /// ```
    ///
    /// # Errors
    /// A report of every mistake, with its place and the way out.
    pub fn parse(file: &str, text: &str) -> Result<(Option<String>, Self), Report> {
        if text.len() > MAX_FILE {
            return Err(too_large(file, text.len()));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (tree, found) = yaml::read(text).map_err(|found| Report::new(file, Some(text), None, found))?;
        let (read, found) = read::schedule(&tree, found);
        read.ok_or_else(|| Report::new(file, Some(text), Some(&tree), found))
    }

    /// Checks what was put together in code, exactly as a file is checked.
    ///
    /// # Errors
    /// A report of every mistake; each names the way to the value.
    pub fn checked(self) -> Result<Self, Report> {
        let value = serde_json::to_value(&self)
            .map_err(|error| Report::of_file("", Code::WrongType, error.to_string(), None))?;
        Self::from_json("", value)
    }

    /// Reads a schedule from its JSON form.
    ///
    /// # Errors
    /// As [`Schedule::parse`], without places in a file.
    pub fn from_json(origin: &str, value: Value) -> Result<Self, Report> {
        let refused = |last| {
            let mut found = Findings::default();
            found.mistake(last);
            Report::new(origin, None, None, found)
        };
        let (tree, found) = Tree::from_json(value).map_err(refused)?;
        let (read, found) = read::schedule(&tree, found);
        read.map(|(_, schedule)| schedule).ok_or_else(|| Report::new(origin, None, Some(&tree), found))
    }
}

/// Reads a template from a JSON value of the canonical form, or any other form that YAML may have.
pub(crate) fn value(file: &str, value: Value, options: &Options<'_>) -> Result<Parsed, Report> {
    match Tree::from_json(value) {
        Ok((tree, found)) => finish(file, None, &tree, found, options),
        Err(last) => {
            let mut found = Findings::default();
            found.mistake(last);
            Err(Report::new(file, None, None, found))
        }
    }
}

fn finish(
    file: &str,
    text: Option<&str>,
    tree: &Tree<'_>,
    found: Findings,
    options: &Options<'_>,
) -> Result<Parsed, Report> {
    let (read, found) = read::template(tree, options, found);
    let report = Report::new(file, text, Some(tree), found);
    match read {
        Some(read) => {
            let place = text.map(|text| Lines::new(text).locate(tree.span(read.name)));
            let (position, line) = place.unzip();
            Ok(Parsed { template: read.template, report, name: (position, line.flatten()) })
        }
        None => Err(report),
    }
}

pub(crate) fn too_large(file: &str, bytes: usize) -> Report {
    let message = format!("the file has {bytes} bytes, and the largest one that is read has {MAX_FILE}");
    let help = "split the workflow, or move data out of the template".to_owned();
    Report::of_file(file, Code::FileTooLarge, message, Some(help))
}
