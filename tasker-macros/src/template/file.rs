//! The file: what it says, and where.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use tasker_template::{Code, HandlerRef, Mistake, Options, Report, Template, UnknownHandler, load_file};

use super::parse::Input;
use crate::errors::Errors;

/// A file that was read.
pub(super) struct File {
    /// Where it is on this machine.
    pub(super) full: PathBuf,
    /// Absent where it is mistaken.
    pub(super) template: Option<Template>,
    /// Where the handler of each step stands, `config/x.yaml:12:14`.
    pub(super) places: Vec<String>,
}

/// Reads and checks the file; `None` where it cannot be read.
pub(super) fn read(input: &Input, errors: &mut Errors) -> Option<File> {
    let written = input.path.value();
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let full = root.join(&written);
    if !full.is_file() {
        let message = format!("there is no file `{written}` in {}", root.display());
        errors.at(&input.path, message);
        return None;
    }
    let template = match check(&full, &written, &Options::default()) {
        Ok(template) => Some(template),
        Err(report) => {
            for mistake in &report.mistakes {
                errors.at(&input.path, text(&report, mistake));
            }
            None
        }
    };
    let places = template.as_ref().map(|template| places(&full, &written, template)).unwrap_or_default();
    Some(File { full, template, places })
}

fn check(full: &Path, written: &str, options: &Options<'_>) -> Result<Template, Report> {
    let loaded = load_file(full, options).result;
    loaded.map(|parsed| parsed.template).map_err(|report| Report { file: written.to_owned(), ..report })
}

/// One mistake, with its line and a caret, without the word `error`, which the compiler writes itself.
fn text(report: &Report, mistake: &Mistake) -> String {
    let one = Report { mistakes: vec![mistake.clone()], warnings: Vec::new(), left_out: 0, ..report.clone() };
    let text = one.render(false);
    match text.split_once("]: ") {
        Some((start, rest)) if start.starts_with("error[") => rest.to_owned(),
        _ => text,
    }
}

/// Asks the validator where each handler stands, by refusing all of them.
fn places(full: &Path, written: &str, template: &Template) -> Vec<String> {
    let count = template.steps().len();
    let mut places = vec![written.to_owned(); count];
    let next = AtomicUsize::new(0);
    let refuse = |_: &HandlerRef| {
        let message = next.fetch_add(1, Ordering::Relaxed).to_string();
        Err(UnknownHandler { message, help: None })
    };
    let options = Options { handler_check: Some(&refuse), ..Options::default() };
    if let Err(report) = check(full, written, &options) {
        for mistake in report.mistakes.iter().filter(|mistake| mistake.code == Code::UnknownHandler) {
            let index = mistake.message.parse::<usize>().ok();
            let place = index.and_then(|index| places.get_mut(index));
            if let (Some(place), Some(position)) = (place, &mistake.position) {
                *place = format!("{written}:{}:{}", position.line, position.column);
            }
        }
    }
    places
}
