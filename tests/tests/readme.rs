//! The quick start of the README, word for word, in a package outside the workspace.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The target directory these tests were built in, whose dependencies are there already.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().to_owned()
}

/// The `number`th fenced block of this language.
fn block(readme: &str, language: &str, number: usize) -> String {
    let fence = format!("```{language}\n");
    let start = readme.match_indices(&fence).nth(number).unwrap().0 + fence.len();
    readme[start..].split("\n```").next().unwrap().to_owned()
}

fn cargo(package: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(package)
        .env("CARGO_TARGET_DIR", target())
        .env_remove("DATABASE_URL")
        .output()
        .unwrap()
}

#[test]
fn the_quick_start_compiles_and_runs_word_for_word() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let package = tempfile::tempdir().unwrap();
    let source = package.path().join("src");
    fs::create_dir(&source).unwrap();
    let runtime = root().join("tasker-runtime");
    // Until it is published, the crate is found where it is developed.
    let manifest = format!(
        "{}\n\n[patch.crates-io]\ntasker-runtime = {{ path = {runtime:?} }}\n\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n",
        block(&readme, "toml", 0)
    );
    fs::write(package.path().join("Cargo.toml"), manifest).unwrap();
    let main = block(&readme, "rust", 0);
    fs::write(source.join("main.rs"), &main).unwrap();
    fs::copy(root().join("Cargo.lock"), package.path().join("Cargo.lock")).unwrap();

    let command = block(&readme, "sh", 1);
    let input = command.split('\'').nth(1).unwrap();
    let output =
        cargo(package.path(), &["run", "--quiet", "--offline", "--", "run", "checkout", "--input", input]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let printed = readme.split("\nprints `").nth(1).unwrap().split('`').next().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), printed, "{errors}");

    // What it shows for programs that are not a command line.
    let in_program = main.split("fn main()").next().unwrap().to_owned() + &block(&readme, "rust", 1);
    fs::write(source.join("main.rs"), in_program).unwrap();
    let alone = fs::read_to_string(package.path().join("Cargo.toml")).unwrap();
    let tokio = format!("[dependencies]\n{}", block(&readme, "toml", 1));
    fs::write(package.path().join("Cargo.toml"), alone.replace("[dependencies]", &tokio)).unwrap();
    let output = cargo(package.path(), &["run", "--quiet", "--offline"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let printed = readme.split("`cargo run` prints `").nth(1).unwrap().split('`').next().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), printed, "{errors}");

    // The command line under a runtime of the user's: it works, and what it says can be pasted.
    let under = main.replace("fn main()", "#[tokio::main]\nasync fn main()");
    fs::write(source.join("main.rs"), under).unwrap();
    let output = cargo(package.path(), &["run", "--quiet", "--offline", "--", "run", "chekout"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    let expected = "error: there is no template `chekout`; did you mean `default/checkout`?\n\
                    try: cargo run -- template list\n";
    assert_eq!((output.status.code(), &*errors), (Some(3), expected));
    fs::write(package.path().join("Cargo.toml"), alone).unwrap();

    // The two mistakes the README names do not compile, and the messages say what it says.
    let wrong = main
        .replace("#[depends_on(validate)] order: Order, key", "#[depends_on(validate)] order: Charge, key");
    fs::write(source.join("main.rs"), wrong).unwrap();
    let output = cargo(package.path(), &["check", "--quiet", "--offline"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("this parameter is `Charge` but the upstream step returns `Order`"), "{errors}");
    fs::write(source.join("main.rs"), main.replace("[validate, charge, ship]", "[validate, ship]")).unwrap();
    let output = cargo(package.path(), &["check", "--quiet", "--offline"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("step `ship` reads `charge`, which is not listed"), "{errors}");
}
