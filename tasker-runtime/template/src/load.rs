//! Templates from files and directories.

use std::collections::HashMap;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::parse::{MAX_FILE, Options, Parsed, text_of, too_large};
use crate::report::{Code, Mistake, Report};
use crate::schedule::Schedule;
use crate::template::Template;

/// One file and what became of it.
#[derive(Debug)]
pub struct Loaded {
    /// The file, or the directory that could not be read.
    pub path: PathBuf,
    /// The template, or what is wrong with it.
    pub result: Result<Parsed, Report>,
}

impl Loaded {
    /// What there is to say about the file, good or bad.
    #[must_use]
    pub fn report(&self) -> &Report {
        match &self.result {
            Ok(parsed) => &parsed.report,
            Err(report) => report,
        }
    }
}

/// Reads one file. A file that cannot be read is a mistake like any other.
#[must_use]
pub fn load_file(path: &Path, options: &Options<'_>) -> Loaded {
    let name = path.display().to_string();
    let result = match read(path) {
        Ok(Content::Bytes(bytes)) => Template::parse_bytes(&name, &bytes, options),
        Ok(Content::TooLarge(bytes)) => Err(too_large(&name, bytes)),
        Err(error) => Err(unreadable_file(&name, &error)),
    };
    Loaded { path: path.to_owned(), result }
}

/// Reads every `*.yaml` and `*.yml` below `root`, in the order of their paths; `root` may be a file
/// too. What starts with a dot is passed over. A directory or a file that links lead to more than once
/// is read once.
///
/// Of two files that define the same namespace, name and version, the second has the mistake.
///
/// ```
/// use tasker_template::{Options, Verdict, load_tree};
///
/// let verdicts: Vec<Verdict> =
///     load_tree("no/such/place".as_ref(), &Options::default()).iter().map(|file| file.report().verdict()).collect();
/// assert_eq!(verdicts, [Verdict::Error]);
/// ```
#[must_use]
pub fn load_tree(root: &Path, options: &Options<'_>) -> Vec<Loaded> {
    let (files, unreadable) = files_below(root);
    let mut loaded: Vec<Loaded> = unreadable.into_iter().map(|(path, error)| failed(path, &error)).collect();
    loaded.extend(files.iter().map(|path| load_file(path, options)));
    loaded.sort_by(|a, b| a.path.cmp(&b.path));
    refuse_twins(&mut loaded);
    loaded
}

/// A schedule with the template that its file says it starts tasks of, or what is wrong with the file.
pub type LoadedSchedule = Result<(Option<String>, Schedule), Report>;

/// Reads every file of a schedule below `root`, as [`load_tree`] reads templates; where there is no such directory
/// there are none. See [`Schedule::parse`].
#[must_use]
pub fn load_schedules(root: &Path) -> Vec<(PathBuf, LoadedSchedule)> {
    if !root.exists() {
        return Vec::new();
    }
    let (files, unreadable) = files_below(root);
    let load = |path: PathBuf| {
        let name = path.display().to_string();
        let read = match read(&path) {
            Ok(Content::Bytes(bytes)) => text_of(&name, &bytes).and_then(|text| Schedule::parse(&name, text)),
            Ok(Content::TooLarge(bytes)) => Err(too_large(&name, bytes)),
            Err(error) => Err(unreadable_file(&name, &error)),
        };
        (path, read)
    };
    let lost = unreadable.into_iter().map(|(path, error)| {
        let report = unreadable_file(&path.display().to_string(), &error);
        (path, Err(report))
    });
    let mut loaded: Vec<(PathBuf, LoadedSchedule)> = lost.collect();
    loaded.extend(files.into_iter().map(load));
    loaded
}

/// Every `*.yaml` and `*.yml` below `root`, in the order of their paths, and what cannot be looked at.
fn files_below(root: &Path) -> (Vec<PathBuf>, Vec<(PathBuf, io::Error)>) {
    let (mut files, mut unreadable) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        match look(&path) {
            Ok((real, is_directory)) => {
                if !seen.insert(real) {
                    continue;
                }
                if !is_directory {
                    files.push(path);
                    continue;
                }
                match entries(&path) {
                    Ok(more) => open.extend(more),
                    Err(error) => unreadable.push((path, error)),
                }
            }
            Err(error) => unreadable.push((path, error)),
        }
    }
    files.sort();
    (files, unreadable)
}

/// The real path of a place, and whether it is a directory.
fn look(path: &Path) -> io::Result<(PathBuf, bool)> {
    let real = fs::canonicalize(path)?;
    let is_directory = fs::metadata(&real)?.is_dir();
    Ok((real, is_directory))
}

/// The directories and templates in a directory, last first, so that of two links to one place the
/// first in order is read.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_template = path.extension().is_some_and(|extension| {
            extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml")
        });
        if !hidden && (is_template || path.is_dir()) {
            paths.push(path);
        }
    }
    paths.sort_by(|a, b| b.cmp(a));
    Ok(paths)
}

enum Content {
    Bytes(Vec<u8>),
    TooLarge(usize),
}

/// The bytes of a file, never more than a template may have.
fn read(path: &Path) -> io::Result<Content> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        // Opening a pipe would wait for whoever writes to it.
        return Err(io::Error::other("not a regular file"));
    }
    if metadata.len() > MAX_FILE as u64 {
        return Ok(Content::TooLarge(usize::try_from(metadata.len()).unwrap_or(usize::MAX)));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Content::Bytes(bytes))
}

fn failed(path: PathBuf, error: &io::Error) -> Loaded {
    let report = unreadable_file(&path.display().to_string(), error);
    Loaded { path, result: Err(report) }
}

fn unreadable_file(name: &str, error: &io::Error) -> Report {
    Report::of_file(name, Code::Unreadable, format!("this cannot be read: {error}"), None)
}

/// Turns every template that an earlier file defines as well into a mistake.
fn refuse_twins(loaded: &mut [Loaded]) {
    let mut first: HashMap<(String, String, String), PathBuf> = HashMap::new();
    for file in loaded {
        let Ok(parsed) = &file.result else { continue };
        let template = &parsed.template;
        let key =
            (template.namespace().to_owned(), template.name().to_owned(), template.version().to_string());
        let Some(other) = first.get(&key) else {
            first.insert(key, file.path.clone());
            continue;
        };
        let (namespace, name, version) = &key;
        let (position, text) = parsed.name.clone();
        let mistake = Mistake {
            code: Code::DuplicateTemplate,
            message: format!("`{namespace}/{name}` {version} is defined here and in {}", other.display()),
            help: Some("give one of them another version or another name".to_owned()),
            path: "name".to_owned(),
            position,
            text,
        };
        let mut report = parsed.report.clone();
        report.mistakes.push(mistake);
        file.result = Err(report);
    }
}
