//! What is wrong with a template, all of it at once, with places.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

use crate::place::Lines;
use crate::render;
use crate::tree::Tree;
use crate::words::words;

/// How many mistakes, and how many warnings, one report keeps. The rest is only counted.
const KEPT: usize = 1_000;

words! {
    /// The rule that a mistake breaks or a warning points at. The word is stable: scripts may compare it.
    #[non_exhaustive]
    pub enum Code {
        /// The file could not be read.
        Unreadable = "unreadable",
        /// The file is larger than 1 MiB.
        FileTooLarge = "file_too_large",
        /// The file is not UTF-8 text.
        NotUtf8 = "not_utf8",
        /// The file is no YAML.
        Syntax = "syntax",
        /// More decisions nest than may.
        TooManyDecisions = "too_many_decisions",
        /// Collections nest too deeply.
        TooDeep = "too_deep",
        /// The file holds too many values, aliases followed.
        TooManyValues = "too_many_values",
        /// The file holds no document.
        EmptyFile = "empty_file",
        /// The file holds more than one document.
        SeveralDocuments = "several_documents",
        /// A tag that is none of YAML's own.
        UnknownTag = "unknown_tag",
        /// A key that is a list or a mapping.
        BadKey = "bad_key",
        /// A merge key `<<` over something that is no mapping.
        BadMerge = "bad_merge",
        /// A key that stands twice in one mapping.
        DuplicateKey = "duplicate_key",
        /// Two keys that mean the same.
        ConflictingKeys = "conflicting_keys",
        /// A key that no template has.
        UnknownKey = "unknown_key",
        /// A key that must be given and is not.
        MissingKey = "missing_key",
        /// A key that has no place on this step.
        MisplacedKey = "misplaced_key",
        /// A value of another type than expected.
        WrongType = "wrong_type",
        /// A word that is none of those allowed.
        UnknownWord = "unknown_word",
        /// A number outside its range.
        OutOfRange = "out_of_range",
        /// A number that no JSON number holds exactly.
        InexactNumber = "inexact_number",
        /// A text with a character that cannot be stored.
        BadText = "bad_text",
        /// An empty name.
        EmptyName = "empty_name",
        /// A name that is too long or has other characters than allowed.
        BadName = "bad_name",
        /// A step name that means something else.
        ReservedName = "reserved_name",
        /// A version that is no semantic version.
        BadVersion = "bad_version",
        /// A template without steps.
        NoSteps = "no_steps",
        /// More than 10,000 steps.
        TooManySteps = "too_many_steps",
        /// A path of more than 1,000 steps.
        TooLongPath = "too_long_path",
        /// Two steps of one name.
        DuplicateStep = "duplicate_step",
        /// A name that no step has.
        UnknownStep = "unknown_step",
        /// A dependency on a step that does not exist.
        UnknownDependency = "unknown_dependency",
        /// A step that depends on itself.
        SelfDependency = "self_dependency",
        /// A dependency that is listed twice.
        DuplicateDependency = "duplicate_dependency",
        /// Steps that wait for each other.
        Cycle = "cycle",
        /// A decision without a step to choose.
        DecisionWithoutDependents = "decision_without_dependents",
        /// A batch worker without an analyzer that plans its batches, or with several.
        WorkerWithoutAnalyzer = "worker_without_analyzer",
        /// A batch analyzer without a worker that runs its batches, or with several.
        AnalyzerWithoutWorker = "analyzer_without_worker",
        /// A convergence step with nothing above it to converge.
        ConvergenceOverNothing = "convergence_over_nothing",
        /// An event that a step publishes twice under the same condition.
        DuplicateEvent = "duplicate_event",
        /// A step that publishes more than 20 events.
        TooManyEvents = "too_many_events",
        /// A JSON Schema that is none.
        InvalidSchema = "invalid_schema",
        /// A callable that no handler answers to.
        UnknownHandler = "unknown_handler",
        /// A schedule that never comes, or says what there is not.
        BadSchedule = "bad_schedule",
        /// A template that another file defines too.
        DuplicateTemplate = "duplicate_template",
        /// Known from other installations, without effect here. Only ever a warning.
        NoEffect = "no_effect",
    }
}

/// Where in a file a mistake stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The bytes of the file that are meant, on one line.
    pub span: Range<usize>,
}

/// One mistake or one warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The rule that is broken.
    pub code: Code,
    /// What is wrong, lower case.
    pub message: String,
    /// The way out, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The way to the value from the root, for instance `steps[2].retry.backoff`; empty for the root.
    pub path: String,
    /// The place in the file; `None` for a template that was not read from text.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// The line it stands on, for the caret; `None` where it is too long to show.
    #[serde(skip)]
    pub(crate) text: Option<String>,
}

/// What a check found out about one template.
///
/// [`fmt::Display`] renders it for people, with carets and without colours; `serde` for programs.
///
/// ```
/// use tasker_template::{Step, Template};
///
/// let report = Template::builder("twice").step(Step::new("pay")).step(Step::new("pay")).build().unwrap_err();
/// assert!(report.to_string().contains("pay"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The name of the file, as it was given to the check.
    pub file: String,
    /// What must be put right before the template can be used, in the order of the file.
    pub mistakes: Vec<Mistake>,
    /// What has no effect here, in the order of the file.
    pub warnings: Vec<Mistake>,
    /// How many further mistakes and warnings were left out; a report keeps 1,000 of each.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

/// The sum of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing to say.
    Ok,
    /// Usable, and something has no effect.
    Warnings,
    /// Not usable.
    Error,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Warnings => "warnings",
            Self::Error => "error",
        })
    }
}

impl Report {
    /// Whether the template is usable.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.mistakes.is_empty(), self.warnings.is_empty()) {
            (false, _) => Verdict::Error,
            (true, false) => Verdict::Warnings,
            (true, true) => Verdict::Ok,
        }
    }

    /// The report for people, each mistake with its line and a caret under the place; `colour` adds
    /// the escape codes of a terminal. Empty where there is nothing to say.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        render::report(self, colour)
    }

    /// A report over one mistake that concerns the whole file.
    pub(crate) fn of_file(file: &str, code: Code, message: String, help: Option<String>) -> Self {
        let mistake = Mistake { code, message, help, path: String::new(), position: None, text: None };
        Self { file: file.to_owned(), mistakes: vec![mistake], ..Self::default() }
    }

    /// Gives everything that was found its place, in the order of the file, each thing once.
    pub(crate) fn new(file: &str, source: Option<&str>, tree: Option<&Tree<'_>>, found: Findings) -> Self {
        let lines = source.map(Lines::new);
        let mut report = Self { file: file.to_owned(), left_out: found.left_out, ..Self::default() };
        let Findings { mut mistakes, mut warnings, .. } = found;
        for list in [&mut mistakes, &mut warnings] {
            list.sort_by_key(|found| (found.span.start, found.span.end));
            // An alias leads to the same place more than once.
            list.dedup();
        }
        let place = |Found { span, code, message, help }: Found| {
            let (position, text) = lines.as_ref().map(|lines| lines.locate(span)).unzip();
            let path = tree.map(|tree| tree.path(span)).unwrap_or_default();
            Mistake { code, message, help, path, position, text: text.flatten() }
        };
        report.mistakes = mistakes.into_iter().map(place).collect();
        report.warnings = warnings.into_iter().map(place).collect();
        report
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A mistake or a warning before it has its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) span: Span,
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// What was found so far, so much of it that a hostile file cannot fill the memory.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) mistakes: Vec<Found>,
    pub(crate) warnings: Vec<Found>,
    left_out: usize,
}

impl Findings {
    pub(crate) fn mistake(&mut self, found: Found) {
        if self.mistakes.len() < KEPT { self.mistakes.push(found) } else { self.left_out += 1 }
    }

    pub(crate) fn warning(&mut self, found: Found) {
        if self.warnings.len() < KEPT { self.warnings.push(found) } else { self.left_out += 1 }
    }
}

/// A stretch of the source in bytes. Of a tree that was not read from text: of its nodes in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}
