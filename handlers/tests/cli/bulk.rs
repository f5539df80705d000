//! What is listed by what happened, and done to many tasks at once.

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::Write,
    os::unix::ffi::OsStrExt,
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;
use support::{TestDatabase, databases, fresh_sqlite};

use crate::ran::{Ran, last_task, run, tasker};

const SEQUENCE: &str = "linear_workflow/mathematical_sequence";

/// Two tasks whose first step failed for good, the newer one first.
fn failed_twice(database: &TestDatabase) -> [String; 2] {
    let failed = || {
        run(database, &["run", SEQUENCE, "--input", r#"{"even_number": 7}"#]);
        last_task(database)
    };
    let older = failed();
    [failed(), older]
}

/// The ids that `list` finds with these arguments.
fn listed(database: &TestDatabase, arguments: &[&str]) -> Vec<String> {
    let found = run(database, &[&["list", "-o", "json"], arguments].concat()).json();
    found.as_array().unwrap().iter().map(|task| task["task_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn list_finds_tasks_by_time_error_and_step() {
    for database in databases().await {
        let both = failed_twice(&database).to_vec();
        run(&database, &["run", SEQUENCE, "--input", r#"{"even_number": 6}"#]);
        let none: Vec<String> = Vec::new();
        for (arguments, expected) in [
            (vec!["--error", "VALIDATION_ERROR"], &both),
            (vec!["--error", "VALIDATION_ERROR", "--since", "1h"], &both),
            (vec!["--error", "VALIDATION_ERROR", "--until", "1h"], &none),
            (vec!["--error", "VALIDATION_ERROR", "--until", "2100-01-01T00:00:00+01:00"], &both),
            (vec!["--since", "2100-01-01T00:00:00Z"], &none),
            (vec!["--waiting-for", "linear_step_1"], &both),
            (vec!["--waiting-for", "linear_step_2"], &none),
        ] {
            assert_eq!(listed(&database, &arguments), *expected, "{database}: {arguments:?}");
        }
        let wrong = run(&database, &["list", "--since", "yesterday"]);
        let problem = "`yesterday` is neither a time like 2026-12-24T18:00:00+01:00 nor how long ago";
        assert!(wrong.code == 2 && wrong.err.contains(problem), "{}", wrong.err);
    }
}

#[tokio::test]
async fn many_tasks_are_counted_asked_about_and_told_one_by_one() {
    for database in databases().await {
        let [newer, older] = failed_twice(&database);
        let meant = ["--error", "VALIDATION_ERROR"];
        let given = |command: &str, more: &[&str]| run(&database, &[&[command], &meant[..], more].concat());
        let dry = given("cancel", &["--dry-run"]);
        assert_eq!((dry.code, &*dry.out), (0, "cancel: 2 tasks; nothing was done\n"), "{database}");
        let dry = given("retry", &["--dry-run", "-o", "json"]).json();
        assert_eq!(dry, json!({ "tasks": 2, "dry_run": true }), "{database}");
        given("cancel", &[]).failed(2, "there is nobody to ask: add --yes", "tasker cancel --help");
        assert_eq!(listed(&database, &["--state", "blocked_by_failures"]).len(), 2, "{database}");

        run(&database, &["pause", &older]);
        let mixed = given("pause", &["--yes", "-o", "json"]);
        assert_eq!(mixed.json()["followed"], 2, "{database}: {}", mixed.err);
        let resumed = given("resume", &["--state", "paused", "--yes"]);
        assert!(
            resumed.code == 0 && resumed.err.contains("resume: of 2 tasks 2 followed"),
            "{}",
            resumed.err
        );

        let skip = run(&database, &["skip", "--waiting-for", "linear_step_1", "--since", "1h", "--yes"]);
        let told = "skip: 2 tasks, each without `linear_step_1` and what needs its result; a timer is over\n\
                    skip: of 2 tasks 2 followed\n";
        assert!(skip.code == 0 && skip.err.starts_with(told), "{database}: {}", skip.err);
        let states = run(&database, &["list", "-o", "json"]).json();
        assert!(states.as_array().unwrap().iter().all(|task| task["state"] == "complete"), "{states}");

        let over = run(&database, &["cancel", "--template", SEQUENCE, "--state", "complete", "--yes"]);
        assert_eq!(over.code, 1, "{database}: {}", over.err);
        let reason =
            |task: &str| format!("refused: {task}: the task is complete: nothing can change it any more");
        for task in [&newer, &older] {
            assert!(over.err.contains(&reason(task)), "{database}: {}", over.err);
        }
        assert!(over.err.contains("cancel: of 2 tasks 0 followed, 2 refused"), "{}", over.err);
        let none = run(&database, &["cancel", "--template", SEQUENCE]);
        assert_eq!((none.code, &*none.err), (0, "cancel: 0 tasks\ncancel: of 0 tasks 0 followed\n"));
    }
}

#[test]
fn one_task_or_many_are_meant_and_never_both() {
    let database = fresh_sqlite();
    let task = "0198c1c0-0000-7000-8000-000000000000";
    for command in ["retry", "cancel", "pause", "resume", "give-up"] {
        let help = format!("tasker {command} --help");
        run(&database, &[command]).failed(2, "name a task, or say which ones are meant, as with", &help);
        let both = run(&database, &[command, task, "--template", "a"]);
        both.failed(2, "name a task, or say which ones are meant, not both", &help);
        let one = run(&database, &[command, task, "--dry-run"]);
        one.failed(2, "--dry-run and --yes are for many tasks", &help);
    }
    run(&database, &["skip", "--template", "a", "--yes"]).failed(
        2,
        "name the step that is left out, with --step",
        "tasker skip --help",
    );
}

/// `cancel` of what failed, asked for at a terminal where somebody types `answer`.
fn answered(database: &TestDatabase, answer: &str) -> Ran {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal =
        OpenOptions::new().read(true).write(true).open(OsStr::from_bytes(name.as_bytes())).unwrap();
    let mut command = tasker(database, &["cancel", "--error", "VALIDATION_ERROR"]);
    command.stdin(terminal).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    File::from(master.try_clone().unwrap()).write_all(answer.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn at_a_terminal_nothing_happens_before_somebody_says_yes() {
    let database = fresh_sqlite();
    failed_twice(&database);
    let no = answered(&database, "\n");
    no.failed(1, "nothing was done", "tasker --help");
    assert!(no.err.starts_with("cancel: 2 tasks\ngo on? [y/N]\n"), "{}", no.err);
    let yes = answered(&database, "y\n");
    assert!(yes.code == 0 && yes.err.contains("cancel: of 2 tasks 2 followed"), "{}", yes.err);
    assert_eq!(listed(&database, &["--state", "cancelled"]).len(), 2);
}
