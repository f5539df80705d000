//! Packages as users write them, outside of this workspace.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use crate::{target, workspace, write_if_new};

/// The package that asks for schemas.
const DESCRIBED: &str = "described";

/// Copies every package of `outside/` to a workspace of its own, with the versions of this one, and
/// builds and runs them without a network. What went wrong; nothing where all is well.
///
/// # Errors
/// Where a file could not be copied or cargo could not be run.
pub fn build_and_run() -> io::Result<String> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("outside");
    let to = target().join("ui-tests").join("outside");
    let mut names = Vec::new();
    for entry in fs::read_dir(&from)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_dir()) {
            copy(&path, &to.join(name))?;
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    let runtime = workspace().join("tasker-runtime");
    let members = format!(
        "[workspace]\nresolver = \"3\"\nmembers = {names:?}\n\n\
         [workspace.dependencies]\nstream = {{ package = \"tasker-runtime\", path = {runtime:?} }}\n\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n"
    );
    write_if_new(&to.join("Cargo.toml"), &members)?;
    fs::copy(workspace().join("Cargo.lock"), to.join("Cargo.lock"))?;
    // What one of them asks of the runtime, the others do not get.
    let most = ["build", "--workspace", "--exclude", DESCRIBED, "--quiet"];
    for arguments in [&most[..], &["build", "--package", DESCRIBED, "--quiet"]] {
        let wrong = run(&mut cargo(arguments, &to))?;
        if !wrong.is_empty() {
            return Ok(wrong);
        }
    }
    let mut wrong = String::new();
    for name in names.iter().filter(|name| from.join(name).join("src/main.rs").exists()) {
        wrong.push_str(&run(&mut Command::new(target().join("debug").join(name)))?);
    }
    Ok(wrong)
}

fn cargo(arguments: &[&str], package: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).args(["--offline", "--manifest-path"]).arg(package.join("Cargo.toml"));
    command.arg("--target-dir").arg(target());
    command
}

fn run(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::new());
    }
    Ok(format!("{command:?}\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// Copies a package; the path to the runtime becomes one that holds from anywhere.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target: PathBuf = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
            continue;
        }
        let runtime = workspace().join("tasker-runtime").to_string_lossy().into_owned();
        write_if_new(&target, &fs::read_to_string(&path)?.replace("../../../tasker-runtime", &runtime))?;
    }
    Ok(())
}
