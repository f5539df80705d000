//! Compiles small programs, most of them wrong, and compares what the compiler says.
//!
//! Every file of a folder becomes a binary of one generated package, so that one run of cargo answers
//! for all of them; it shares the target directory of the workspace, whose dependencies are built
//! already. What the compiler says about a case is written down without the source lines it shows, so
//! that the expected text of `case.rs`, in `case.txt`, reads like a list of messages.

pub mod cost;
pub mod outside;
mod report;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::{env, fs, io};

pub use report::Said;

/// A folder of cases and the cargo package that compiles them.
#[derive(Debug)]
pub struct Cases {
    folder: PathBuf,
    names: Vec<String>,
}

impl Cases {
    /// The cases in a folder of this crate.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn of(folder: &str) -> io::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
        }
        names.sort();
        Ok(Self { folder, names })
    }

    /// The names of the cases, sorted.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Compiles them all; what was said about each, nothing for those that are fine.
    ///
    /// # Errors
    /// Where cargo could not be run or failed for a reason of its own.
    pub fn compile(&self) -> io::Result<BTreeMap<String, Said>> {
        self.run("build")
    }

    fn run(&self, command: &str) -> io::Result<BTreeMap<String, Said>> {
        // Two tests may ask for one folder at once: neither writes the package while cargo reads it for the other.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let package = self.write_package()?;
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([command, "--bins", "--keep-going", "--offline", "--quiet", "--message-format=json"])
            .arg("--manifest-path")
            .arg(package.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(target())
            .output()?;
        let mut said: BTreeMap<String, Said> =
            self.names.iter().map(|name| (name.clone(), Said::default())).collect();
        let mut broken = String::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            report::read(line, &mut said, &mut broken);
        }
        let silent = said.values().all(|said| said.messages.is_empty());
        if !broken.is_empty() || (silent && !output.status.success()) {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("cargo failed:\n{broken}{stderr}")));
        }
        Ok(said)
    }

    /// Lets clippy judge them all, with the lints that they ask for.
    ///
    /// # Errors
    /// Where cargo could not be run or failed for a reason of its own.
    pub fn lint(&self) -> io::Result<BTreeMap<String, Said>> {
        self.run("clippy")
    }

    /// The text that is expected for a case, empty where none is written down yet.
    #[must_use]
    pub fn expected(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(format!("{name}.txt"))).unwrap_or_default()
    }

    /// Writes down what is expected for a case.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn expect(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.folder.join(format!("{name}.txt")), text)
    }

    fn write_package(&self) -> io::Result<PathBuf> {
        let root = workspace();
        let folder = self.folder.file_name().unwrap_or_default().to_string_lossy();
        let package = target().join("ui-tests").join(&*folder);
        fs::create_dir_all(&package)?;
        let mut manifest = format!(
            "[package]\nname = \"ui-{folder}\"\nedition = \"2024\"\nautobins = false\n\n\
             [dependencies]\nserde = {{ version = \"1\", features = [\"derive\"] }}\n\
             thiserror = \"2\"\n\
             tokio = {{ version = \"1\", features = [\"rt-multi-thread\", \"macros\", \"sync\", \"time\", \"signal\"] }}\n\
             tasker-runtime = {{ path = {:?} }}\n\n\
             [workspace]\n\n[profile.dev]\ndebug = \"line-tables-only\"\n",
            root.join("tasker-runtime")
        );
        for name in &self.names {
            let path = self.folder.join(format!("{name}.rs"));
            manifest.push_str(&format!("\n[[bin]]\nname = \"{name}\"\npath = {path:?}\n"));
        }
        write_if_new(&package.join("Cargo.toml"), &manifest)?;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|end| end == "yaml"))
            {
                write_if_new(&package.join(name), &fs::read_to_string(&path)?)?;
            }
        }
        fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock"))?;
        Ok(package)
    }
}

/// The version of the compiler, `1.95.0`.
///
/// # Errors
/// Where it could not be asked.
pub fn compiler() -> io::Result<String> {
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("-V").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split_whitespace().nth(1).unwrap_or_default().to_owned())
}

/// The root of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// The target directory that this program was built in, however cargo was told of it.
#[must_use]
pub fn target() -> PathBuf {
    let own = env::current_exe().unwrap_or_default();
    let profile = own.ancestors().skip(1).find(|folder| !folder.ends_with("deps"));
    profile.and_then(Path::parent).map_or_else(|| workspace().join("target"), Path::to_owned)
}

/// Leaves the time of a file alone where nothing changes, so that cargo has nothing to do.
fn write_if_new(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) { Ok(()) } else { fs::write(path, text) }
}
