//! The layers of the runtime use each other in one direction only.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use support::layers::wrong_uses;

#[test]
fn layers_use_only_what_stands_to_their_right() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tasker-runtime/src");
    let files = rust_files(&src);
    assert!(files.len() > 1, "no sources in {}", src.display());
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).unwrap();
            wrong_uses(file.strip_prefix(&src).unwrap(), &text)
        })
        .map(|wrong| format!("tasker-runtime/src/{wrong}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            // Tests of a module, in a file of their own, may use what they like.
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
                && !path.to_string_lossy().ends_with("_tests.rs")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
