//! How this program was started, so that what is said to try next can be pasted.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// What people write to run this program: `shop`, `./shop`, `cargo run --`.
pub(crate) fn program() -> &'static str {
    static PROGRAM: LazyLock<String> = LazyLock::new(|| {
        let by_cargo = || {
            env::var_os("CARGO")?;
            by_cargo(&env::current_exe().ok()?, Path::new(&env::var_os("CARGO_MANIFEST_DIR")?))
        };
        by_cargo().unwrap_or_else(as_typed)
    });
    &PROGRAM
}

/// This program with these arguments, as people write it.
pub(crate) fn command(arguments: &str) -> String {
    format!("{} {arguments}", program())
}

fn as_typed() -> String {
    let typed = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    match typed.to_string_lossy() {
        typed if typed.is_empty() => "tasker".to_owned(),
        typed => in_shell(&typed),
    }
}

/// How cargo runs this file as a program of the package in this directory; `None` where it is none of its programs.
fn by_cargo(file: &Path, package: &Path) -> Option<String> {
    let name = file.file_stem()?.to_str()?;
    let mut folder = file.parent()?;
    let example = folder.ends_with("examples");
    if example {
        folder = folder.parent()?;
    }
    if !built_by_cargo(folder) {
        return None;
    }
    let profile = match folder.file_name()?.to_str()? {
        "debug" => String::new(),
        "release" => " --release".to_owned(),
        profile => format!(" --profile {profile}"),
    };
    let which = match example {
        true if has_source(&package.join("examples"), name) => format!(" --example {name}"),
        true => return None,
        false => which(name, package)?,
    };
    Some(format!("cargo run{profile}{which} --"))
}

/// Whether cargo builds in this folder. It marks a directory that it made itself; one that was there before, such as
/// a cache that is mounted, is known by what lies beside the programs.
fn built_by_cargo(folder: &Path) -> bool {
    let marks = ["../CACHEDIR.TAG", ".fingerprint", ".cargo-lock"];
    marks.iter().any(|mark| folder.join(mark).exists())
}

/// What tells cargo which of the programs of a package is meant.
fn which(name: &str, package: &Path) -> Option<String> {
    let manifest: toml::Table = fs::read_to_string(package.join("Cargo.toml")).ok()?.parse().ok()?;
    let about = |key| manifest.get("package").and_then(|package| package.get(key));
    let written = manifest.get("bin").and_then(toml::Value::as_array);
    let written: Vec<&toml::Value> = written.into_iter().flatten().collect();
    let is_main = |bin: &&&toml::Value| {
        bin.get("path").and_then(toml::Value::as_str).is_none_or(|path| path == "src/main.rs")
    };
    let unnamed = package.join("src/main.rs").exists() && !written.iter().any(|bin| is_main(&bin));
    let mut names: Vec<&str> = written.iter().filter_map(|bin| bin.get("name")?.as_str()).collect();
    names.extend(unnamed.then(|| about("name").and_then(toml::Value::as_str)).flatten());
    let folder = package.join("src/bin");
    let here = names.contains(&name) || has_source(&folder, name);
    let only = names.len() == 1 && fs::read_dir(&folder).is_err();
    let usual = about("default-run").and_then(toml::Value::as_str) == Some(name);
    here.then(|| if only || usual { String::new() } else { format!(" --bin {name}") })
}

/// Whether the source of a program of this name is in a folder.
fn has_source(folder: &Path, name: &str) -> bool {
    folder.join(format!("{name}.rs")).exists() || folder.join(name).join("main.rs").exists()
}

/// A text as a shell takes it for one word.
pub(crate) fn in_shell(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%".contains(c);
    if text.chars().all(plain) && !text.starts_with('-') {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_named_with_all_that_it_must_be_told() {
        let place = tempfile::tempdir().unwrap();
        let (package, target) = (place.path().join("shop"), place.path().join("target"));
        let put = |path: &Path, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(&package.join("Cargo.toml"), "[package]\nname = \"shop\"\n");
        put(&package.join("src/main.rs"), "");
        let run = |file: &str| by_cargo(&target.join(file), &package);
        assert_eq!(run("debug/shop"), None, "cargo did not build it");
        for mark in ["debug/.fingerprint/shop-1/bin-shop", "debug/.cargo-lock", "CACHEDIR.TAG"] {
            put(&target.join(mark), "");
            fs::create_dir_all(target.join("debug")).unwrap();
            assert_eq!(run("debug/shop").as_deref(), Some("cargo run --"), "{mark}");
            fs::remove_dir_all(&target).unwrap();
        }
        put(&target.join("CACHEDIR.TAG"), "");
        for profile in ["debug", "release", "small"] {
            fs::create_dir(target.join(profile)).unwrap();
        }
        assert_eq!(run("release/shop").as_deref(), Some("cargo run --release --"));
        assert_eq!(run("small/shop").as_deref(), Some("cargo run --profile small --"));
        assert_eq!(run("debug/other"), None, "a program of another package");

        put(&package.join("examples/tour.rs"), "");
        assert_eq!(run("debug/examples/tour").as_deref(), Some("cargo run --example tour --"));
        assert_eq!(run("debug/examples/shop"), None);

        put(&package.join("src/bin/worker.rs"), "");
        assert_eq!(run("debug/shop").as_deref(), Some("cargo run --bin shop --"));
        assert_eq!(run("debug/worker").as_deref(), Some("cargo run --bin worker --"));
        put(&package.join("Cargo.toml"), "[package]\nname = \"shop\"\ndefault-run = \"shop\"\n");
        assert_eq!(run("debug/shop").as_deref(), Some("cargo run --"));

        fs::remove_dir_all(package.join("src/bin")).unwrap();
        let named = "[package]\nname = \"shop\"\n[[bin]]\nname = \"till\"\npath = \"src/main.rs\"\n";
        put(&package.join("Cargo.toml"), named);
        assert_eq!(run("debug/till").as_deref(), Some("cargo run --"));
        assert_eq!(run("debug/shop"), None, "it has another name");
    }

    #[test]
    fn what_is_pasted_is_one_word() {
        for (text, word) in [
            ("shop", "shop"),
            ("./target/debug/shop", "./target/debug/shop"),
            ("/opt/my shop", "'/opt/my shop'"),
            ("it's", r"'it'\''s'"),
            ("-x", "'-x'"),
        ] {
            assert_eq!(in_shell(text), word);
        }
    }
}
