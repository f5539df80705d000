//! Whatever happens to processes and the database, every promise is kept, and a build that does not keep
//! them is found out. The long form is a command: see `tests/src/bin/chaos/main.rs`.
#![allow(clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Runs are measured in leases of two seconds: side by side they would take each other's processor.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(program: &Path, arguments: &str) -> Output {
    let _turn = alone();
    Command::new(program).args(arguments.split_whitespace()).output().unwrap()
}

fn keeps_every_promise(arguments: &str) {
    let output = run(Path::new(env!("CARGO_BIN_EXE_chaos")), arguments);
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "chaos {arguments}\n{said}{problem}");
}

#[test]
fn promises_are_kept_on_postgres() {
    keeps_every_promise(match support::quick() {
        true => "--seed 11 --kills 4 --restarts 1 --pauses 1",
        false => "--seed 11 --kills 40 --restarts 8 --pauses 12",
    });
}

#[test]
fn promises_are_kept_on_sqlite() {
    keeps_every_promise(match support::quick() {
        true => "--store sqlite --workers 2 --seed 12 --kills 2",
        false => "--store sqlite --workers 2 --seed 12 --kills 16 --pauses 6",
    });
}

/// Trouble that is none of a process's own: what is in its way, what it cannot reach, who ends it or stops it.
#[test]
fn promises_are_kept_in_every_other_trouble_on_postgres() {
    keeps_every_promise(match support::quick() {
        true => {
            "--seed 14 --kills 0 --locks 1 --read-only 1 --backends 1 --servers 1 --networks 2 --submitters 2 --operators 1"
        }
        false => {
            "--seed 14 --kills 4 --locks 6 --read-only 4 --backends 5 --servers 4 --networks 10 --submitters 10 --operators 8"
        }
    });
}

#[test]
fn promises_are_kept_in_every_other_trouble_on_sqlite() {
    let troubled = match support::quick() {
        true => "--store sqlite --workers 2 --seed 15 --kills 0 --submitters 2 --operators 2",
        false => "--store sqlite --workers 2 --seed 15 --kills 2 --submitters 8 --operators 8",
    };
    // A disk that is full has to be mounted, which not everybody may.
    let disks = if support::quick() { 2 } else { 8 };
    let full = format!("{troubled} --full-disks {disks}");
    let may =
        Command::new("sh").args(["-c", "unshare -m true"]).output().is_ok_and(|ran| ran.status.success());
    keeps_every_promise(if may { &full } else { troubled });
}

#[test]
fn promises_are_kept_by_a_single_process() {
    if !support::quick() {
        keeps_every_promise("--workers 1 --seed 13 --kills 6 --restarts 2 --pauses 2");
    }
}

/// Builds the engine without the check of its leases.
fn unfenced() -> PathBuf {
    let fenced = Path::new(env!("CARGO_BIN_EXE_chaos"));
    let mut cargo = Command::new(env!("CARGO"));
    // As a part of the whole workspace, so that it shares the dependencies that are built already.
    let arguments = "build --locked --workspace --bin chaos-unfenced --features tasker-tests/unfenced";
    cargo.args(arguments.split_whitespace());
    if fenced.parent().is_some_and(|profile| profile.ends_with("release")) {
        cargo.arg("--release");
    }
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fenced.with_file_name("chaos-unfenced")
}

/// Whether a run found what a former holder still recorded. It shows as its late result, in those who read
/// another, or in what it saved of a batch.
fn finds_former_holders(program: &Path, arguments: &str) -> bool {
    let output = run(program, &format!("{arguments} --kills 0 --pauses 8"));
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    output.status.code() == Some(1)
        && ["\nLate: ", "\nMixed: ", "\nCheckpoint: "].iter().any(|rule| said.contains(rule))
}

#[test]
fn engine_that_ignores_its_leases_is_found_out() {
    if support::quick() {
        return;
    }
    let program = unfenced();
    for store in ["postgres --workers 3", "sqlite --workers 2"] {
        // A worker that stood still has a result to record when it goes on, unless it was just between two.
        let found =
            (14..20).any(|seed| finds_former_holders(&program, &format!("--store {store} --seed {seed}")));
        assert!(found, "no result of a former holder was found on {store}");
    }
}
