//! The layers of the runtime use each other in one direction only.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use support::{
    doors::{Declared, used},
    layers::wrong_uses,
};

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

/// The benchmark measures the engine from inside.
const MEASURES: &str = "bench";

/// What types of the standard library and of other crates call theirs as well: text alone does not tell whose it is.
const ANYBODYS: [&str; 17] = [
    "Field", "MAX", "Read", "any", "clear", "cli", "discover", "is", "is_empty", "keys", "len", "map",
    "panic", "pending", "push", "remove", "warn",
];

#[test]
fn command_line_and_service_use_the_public_library_alone() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tasker-runtime/src");
    for (front, least) in [("cli", 20), ("server", 10)] {
        uses_the_public_library_alone(&src, front, least);
    }
}

/// A front is built on what any other program has.
fn uses_the_public_library_alone(src: &Path, front: &str, least: usize) {
    let (own, library): (Vec<PathBuf>, Vec<PathBuf>) =
        rust_files(src).into_iter().partition(|file| file.starts_with(src.join(front)));
    assert!(own.len() >= least, "{front}: {own:?}");
    let (mut of_library, mut of_front) = (Declared::default(), Declared::default());
    // The crates that this one hands on under names of its own.
    let others = ["model/src", "template/src"].map(|path| src.join("..").join(path));
    for file in library.iter().cloned().chain(others.iter().flat_map(|path| rust_files(path))) {
        of_library.add(&file, &fs::read_to_string(&file).unwrap());
    }
    for file in &own {
        of_front.add(file, &fs::read_to_string(file).unwrap());
    }
    // What has the name of a public item, or of one of the front's own, is taken for that.
    let known = |name: &String| {
        ANYBODYS.contains(&&**name)
            || of_library.others.contains(name)
            || of_front.inside.contains(name)
            || of_front.others.contains(name)
    };
    let doors = of_library.inside.iter().filter(|name| !known(name)).cloned().collect();
    let measures = src.join("cli").join(MEASURES);
    let files = own.iter().filter(|file| !file.starts_with(&measures));
    let through: Vec<String> = files
        .flat_map(|file| used(file.strip_prefix(src).unwrap(), &fs::read_to_string(file).unwrap(), &doors))
        .collect();
    assert!(doors.len() > 100, "{doors:?}");
    assert!(through.is_empty(), "not public, so no other program has it:\n{}", through.join("\n"));
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
