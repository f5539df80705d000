//! Writes what a program starts from: a package, a handler, a template. Existing files are never changed.

mod names;

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Done, Failure, Form, output, printable::printable, program::in_shell};

/// The kind of a handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// From input to output
    #[default]
    Step,
    /// Chooses among the steps after it
    Decision,
    /// Splits work into batches, with their worker and the step that gathers the results
    Batch,
    /// Calls an HTTP API
    Api,
}

/// Create a package: a workflow of three steps, with tests
#[derive(Debug, Args)]
pub(crate) struct Project {
    /// The directory to create, or an empty one; the package is named after it
    directory: PathBuf,
    /// Depend on the runtime in this directory instead of the published one
    #[arg(long, value_name = "PATH")]
    runtime_path: Option<PathBuf>,
}

/// Print or write a handler to start from
#[derive(Debug, Args)]
pub(crate) struct Handler {
    /// The name of the function and the step, such as charge_card
    name: String,
    /// What kind of handler it is
    #[arg(long, value_name = "KIND", default_value = "step")]
    kind: Kind,
    /// Write to this new file instead of standard output
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Print or write a template to start from
#[derive(Debug, Args)]
pub(crate) struct Template {
    /// The name of the workflow, and of its one step
    name: String,
    /// Write to this new file instead of standard output
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// What was written.
#[derive(Serialize)]
struct Written {
    directory: PathBuf,
    package: String,
    files: Vec<&'static str>,
}

const MANIFEST: &str = include_str!("project/manifest.toml");

/// For a package below another one, which cargo would take for a member of that workspace.
const ALONE: &str = "\n# Not a part of the workspace around it.\n[workspace]\n";

const FILES: [(&str, &str); 4] = [
    ("src/main.rs", include_str!("project/main.rs")),
    ("src/checkout.rs", include_str!("project/checkout.rs")),
    ("src/tests.rs", include_str!("project/tests.rs")),
    (".gitignore", include_str!("project/gitignore")),
];

impl Project {
    pub(crate) fn run(self, form: Form) -> Done {
        let Self { directory, runtime_path } = self;
        is_free(&directory)?;
        let runtime = match &runtime_path {
            Some(path) => format!("{{ path = {} }}", quoted(&runtime_at(path)?)),
            None => quoted(env!("CARGO_PKG_VERSION")),
        };
        fs::create_dir_all(&directory).map_err(|error| unwritten(&directory, &error))?;
        // Under its real name, which `.` does not tell.
        let real = directory.canonicalize().map_err(|error| unwritten(&directory, &error))?;
        let package = names::package(&real.file_name().unwrap_or_default().to_string_lossy());
        let mut manifest = MANIFEST
            .replace("\"new-project\"", &quoted(&package))
            .replace("tasker-runtime = \"0.1\"", &format!("tasker-runtime = {runtime}"));
        if real.ancestors().skip(1).any(|above| above.join("Cargo.toml").exists()) {
            manifest.push_str(ALONE);
        }
        let mut files = vec!["Cargo.toml"];
        write_new(&directory.join("Cargo.toml"), &manifest)?;
        for (file, text) in FILES {
            write_new(&directory.join(file), text)?;
            files.push(file);
        }
        let written = Written { directory, package, files };
        if form != Form::Table {
            return output::json(&written, form);
        }
        for file in &written.files {
            output::print(&written.directory.join(file).display().to_string())?;
        }
        let input = r#"'{"item": "book", "cents": 1250}'"#;
        output::say!(
            "{} cd {}",
            output::dim("next:"),
            printable(&in_shell(&written.directory.to_string_lossy()))
        );
        for command in ["cargo build", "cargo test", &format!("cargo run -- run checkout --input {input}")] {
            output::say!("{} {command}", output::dim("next:"));
        }
        Ok(())
    }
}

impl Handler {
    pub(crate) fn run(&self) -> Done {
        names::of_handler(&self.name).map_err(Failure::usage)?;
        let text = match self.kind {
            Kind::Step => include_str!("handler/step.rs"),
            Kind::Decision => include_str!("handler/decision.rs"),
            Kind::Batch => include_str!("handler/batch.rs"),
            Kind::Api => include_str!("handler/api.rs"),
        };
        put(&text.replace("new_handler", &self.name), self.write.as_deref())?;
        if let Some(module) = self.write.as_deref().and_then(Path::file_stem) {
            let module = module.to_string_lossy();
            output::say!("{} add `mod {};` to src/main.rs", output::dim("next:"), printable(&module));
        }
        Ok(())
    }
}

impl Template {
    pub(crate) fn run(&self) -> Done {
        names::of_template(&self.name).map_err(Failure::usage)?;
        let text = include_str!("template.yaml").replace("new_template", &self.name);
        put(&text, self.write.as_deref())
    }
}

fn put(text: &str, file: Option<&Path>) -> Done {
    match file {
        Some(file) => {
            write_new(file, text)?;
            output::print(&file.display().to_string())
        }
        None => output::print(text.trim_end()),
    }
}

/// A directory that is not there, or has nothing in it.
fn is_free(directory: &Path) -> Done {
    match fs::read_dir(directory) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Failure::usage(format!(
                "{} is not empty: name a directory that does not exist yet",
                directory.display()
            ))),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unwritten(directory, &error)),
    }
}

/// Where the runtime is, from anywhere.
fn runtime_at(path: &Path) -> Result<String, Failure> {
    let real = path.canonicalize().ok().filter(|path| path.join("Cargo.toml").is_file());
    let real =
        real.ok_or_else(|| Failure::not_found(format!("there is no package at {}", path.display())))?;
    Ok(real.to_string_lossy().into_owned())
}

/// A text as TOML writes it, which is how JSON does.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write_new(file: &Path, text: &str) -> Done {
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(|error| unwritten(parent, &error))?;
    }
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| unwritten(file, &error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        ErrorKind::AlreadyExists => Failure::usage(format!("{path} exists already: name another file")),
        _ => Failure::run(format!("{path} cannot be written: {error}")),
    }
}
