//! What `tasker new` and its like write builds, passes its tests and runs, in a package outside the workspace.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The target directory these tests were built in, whose dependencies are there already.
fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}

fn tasker(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tasker"));
    command.current_dir(directory).args(arguments).stdin(Stdio::null());
    command.env_remove("DATABASE_URL").env_remove("TASKER_CONFIG_PATH").output().unwrap()
}

fn written(directory: &Path, arguments: &[&str]) -> String {
    let output = tasker(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Refused with this code, and nothing on standard output.
fn refused(directory: &Path, arguments: &[&str], code: i32, message: &str) {
    let output = tasker(directory, arguments);
    let errors = text(&output.stderr);
    assert_eq!((output.status.code(), &*text(&output.stdout)), (Some(code), ""), "{arguments:?}: {errors}");
    assert!(errors.contains(message), "{arguments:?}: {errors}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn cargo(package: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(arguments)
        .current_dir(package)
        .env("CARGO_TARGET_DIR", target())
        .env("CARGO_NET_OFFLINE", "true");
    let output = command.env_remove("DATABASE_URL").output().unwrap();
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{arguments:?}\n{}{errors}", text(&output.stdout));
    assert!(!errors.contains("warning:"), "{arguments:?}\n{errors}");
    text(&output.stdout)
}

#[test]
fn a_new_project_builds_passes_its_tests_and_runs_with_three_commands() {
    let place = tempfile::tempdir().unwrap();
    let runtime = root().join("tasker-runtime");
    let runtime = runtime.to_str().unwrap();
    let files = written(place.path(), &["new", "New Shop", "--runtime-path", runtime]);
    assert_eq!(files.lines().count(), 5, "{files}");
    let package = place.path().join("New Shop");
    let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"new-shop\""), "{manifest}");
    fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let input = r#"{"item": "book", "cents": 1250}"#;
    let run = ["run", "--quiet", "--", "run", "checkout", "--database", "sqlite::memory:", "--input", input];

    // What the other scaffolds add to it.
    let mut main = fs::read_to_string(package.join("src/main.rs")).unwrap();
    for kind in ["step", "decision", "batch", "api"] {
        let (name, file) = (format!("my_{kind}"), format!("src/my_{kind}.rs"));
        written(&package, &["handler", "new", &name, "--kind", kind, "--write", &file]);
        main = main.replace("mod checkout;\n", &format!("mod checkout;\nmod {name};\n"));
    }
    fs::write(package.join("src/main.rs"), main).unwrap();
    written(&package, &["template", "new", "my_step", "--write", "config/tasks/more/my_step.yaml"]);

    cargo(&package, &["build", "--quiet"]);
    let tested = cargo(&package, &["test", "--quiet"]);
    assert!(tested.contains("8 passed"), "{tested}");
    assert_eq!(cargo(&package, &run).trim(), "\"book shipped for 1250 cents\"");

    let checked = cargo(&package, &["run", "--quiet", "--", "template", "check"]);
    let checked: Vec<&str> = checked.lines().collect();
    assert_eq!(checked[0], "config/tasks/more/my_step.yaml: ok");
    assert!(checked[1].starts_with("src/checkout.rs:") && checked[1].ends_with(": ok"), "{checked:?}");
    assert_eq!(checked.len(), 2, "{checked:?}");
    let more = [
        "run",
        "--quiet",
        "--",
        "run",
        "my_step",
        "--database",
        "sqlite::memory:",
        "--input",
        r#"{"id": "7"}"#,
    ];
    let result: serde_json::Value = serde_json::from_str(&cargo(&package, &more)).unwrap();
    assert_eq!(result, serde_json::json!({"id": "7"}));
}

#[test]
fn nothing_that_is_there_is_changed() {
    let place = tempfile::tempdir().unwrap();
    let (here, file) = (place.path(), place.path().join("mine.rs"));
    fs::write(&file, "mine").unwrap();
    refused(here, &["new", "."], 2, ". is not empty: name a directory that does not exist yet");
    let taken = ["handler", "new", "charge", "--write", "mine.rs"];
    refused(here, &taken, 2, "mine.rs exists already: name another file");
    refused(here, &["template", "new", "charge", "--write", "mine.rs"], 2, "mine.rs exists already");
    refused(here, &["handler", "new", "ChargeCard"], 2, "write `charge_card`");
    refused(here, &["template", "new", "…"], 2, "a name has only a-z, 0-9 and _");
    refused(here, &["new", "shop", "--runtime-path", "nowhere"], 3, "there is no package at nowhere");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(fs::read_dir(here).unwrap().count(), 1);
}

#[test]
fn scaffolds_are_printed_where_no_file_is_named() {
    let place = tempfile::tempdir().unwrap();
    let handler = written(place.path(), &["handler", "new", "charge_card"]);
    assert!(handler.contains("pub async fn charge_card(input: Input)"), "{handler}");
    let template = written(place.path(), &["template", "new", "checkout"]);
    assert!(template.starts_with("name: checkout\nversion: 1.0.0\n"), "{template}");
    let whole = template.replace("\n#  - ", "\n  - ").replace("\n#    ", "\n    ");
    fs::write(place.path().join("whole.yaml"), &whole).unwrap();
    let checked = written(place.path(), &["template", "check", "whole.yaml", "--no-handlers"]);
    assert_eq!((whole.matches("depends_on:").count(), checked.trim()), (1, "whole.yaml: ok"), "{whole}");
    fs::create_dir(place.path().join("empty")).unwrap();
    let json = written(place.path(), &["new", "empty", "-o", "json"]);
    let written: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (written["package"].as_str(), written["files"][0].as_str()),
        (Some("empty"), Some("Cargo.toml"))
    );
    let manifest = fs::read_to_string(place.path().join("empty/Cargo.toml")).unwrap();
    assert!(!manifest.contains("[workspace]"), "{manifest}");
    assert!(manifest.contains(&format!("tasker-runtime = \"{}\"", env!("CARGO_PKG_VERSION"))), "{manifest}");
}

#[test]
fn a_project_below_another_package_stands_alone() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("Cargo.toml"), "[workspace]\n").unwrap();
    written(place.path(), &["new", "packages/inner"]);
    let manifest = fs::read_to_string(place.path().join("packages/inner/Cargo.toml")).unwrap();
    assert!(manifest.ends_with("\n[workspace]\n"), "{manifest}");
}
