//! What the command line promises: exit codes, what goes where, and that nothing is lost by a kill.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bulk;
mod events;
mod following;
mod forks;
mod graph;
mod in_flight;
mod inputs;
mod keys;
mod operating;
mod ran;
mod schedules;
mod signals;
mod templates;
mod terminal;
mod texts;
mod urls;
mod waits;

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use ran::{Ran, last_task, run, tasker};
use serde_json::{Value, json};
use support::{databases, fresh_sqlite};

#[tokio::test]
async fn finished_run_exits_0_with_the_result_alone_on_standard_output() {
    for database in databases().await {
        let ran = run(
            &database,
            &["run", "linear_workflow/mathematical_sequence", "--input", r#"{"even_number": 6}"#],
        );
        assert_eq!((ran.code, &*ran.out), (0, "2821109907456\n"), "{database}: {}", ran.err);
        assert!(ran.err.contains("linear_step_4"), "{database}: {}", ran.err);
        assert!(!ran.err.contains('\u{1b}'), "{database}: no colours without a terminal");
    }
}

#[tokio::test]
async fn json_output_is_exactly_one_object_with_the_agreed_fields() {
    for database in databases().await {
        let ran = run(&database, &["run", "diamond_workflow/parallel_processing", "-o", "json"]);
        let report = ran.json();
        let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
        let agreed = "task_id template namespace version state result steps cause created_at started_at finished_at \
                      due_at input queue priority correlation_id worker";
        assert_eq!(fields(&report), agreed, "{database}");
        assert_eq!(report["state"], "complete", "{database}");
        assert_eq!(report["result"]["final_result"], 180, "{database}");
        let steps = report["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 4, "{database}");
        for step in steps {
            let agreed =
                "name state attempts result error started_at finished_at retry_at max_attempts worker";
            assert_eq!(fields(step), agreed, "{database}");
            assert_eq!((&step["state"], &step["attempts"]), (&json!("complete"), &json!(1)), "{database}");
        }
        let shown = run(&database, &["show", report["task_id"].as_str().unwrap(), "-o", "json"]);
        assert_eq!(shown.json(), report, "{database}");
    }
}

#[test]
fn failed_run_exits_1_and_says_which_step_why_and_what_to_try() {
    let database = fresh_sqlite();
    let order = ["run", "linear_workflow/mathematical_sequence", "--input", r#"{"even_number": 7}"#];
    let ran = run(&database, &order);
    let task = last_task(&database);
    let why = "step `linear_step_1` failed for good after 1 of 3 attempts: VALIDATION_ERROR";
    let resolve = format!("tasker resolve {task} linear_step_1 --result …");
    ran.failed(1, why, &format!("tasker show {task}, then {resolve}, or tasker give-up {task}"));
    let ran = run(&database, &[&order[..], &["-o", "json"]].concat());
    let report = ran.json();
    assert_eq!((ran.code, &report["state"]), (1, &json!("blocked_by_failures")));
    assert_eq!(report["steps"][0]["error"]["code"], "VALIDATION_ERROR");
}

#[test]
fn wrong_usage_exits_2() {
    let database = fresh_sqlite();
    let linear = "linear_workflow/mathematical_sequence";
    run(&database, &["run", linear, "--input", "{"]).failed(
        2,
        "--input is not valid JSON",
        "tasker run --help",
    );
    let missing = run(&database, &["run", linear, "--input", "@/nowhere.json"]);
    missing.failed(2, "cannot read the input file /nowhere.json", "tasker run --help");
    let parallel = "diamond_workflow/parallel_processing";
    let unfit = run(&database, &["run", parallel, "--input", r#"{"base_value": "ten"}"#]);
    let message = format!("the input does not fit {parallel}");
    unfit.failed(2, &message, &format!("tasker template show {parallel}"));
    assert!(unfit.err.contains("  input.base_value: \"ten\""), "{}", unfit.err);
    let huge = run(&database, &["run", linear, "--input", r#"{"even_number": 1e400}"#]);
    huge.failed(2, "--input is not valid JSON: number out of range", "tasker run --help");
    run(&database, &["list", "--database", "mysql://host/db"]).failed(
        2,
        "is not a database URL",
        "tasker doctor",
    );
    let unknown = run(&database, &["runn"]);
    assert_eq!((unknown.code, &*unknown.out), (2, ""));
    assert!(unknown.err.contains("tip: a similar subcommand exists: 'run'"), "{}", unknown.err);
}

#[test]
fn what_is_not_there_exits_3_with_the_nearest_name() {
    let database = fresh_sqlite();
    let unknown = run(&database, &["run", "linear_workflow/mathematical_sequenc"]);
    unknown.failed(3, "did you mean `linear_workflow/mathematical_sequence`?", "tasker template list");
    run(&database, &["graph", "nowhere/nothing"]).failed(3, "there is no template", "tasker template list");
    let nobody = "0198c1c0-0000-7000-8000-000000000000";
    for command in ["show", "resume", "retry", "cancel", "watch"] {
        run(&database, &[command, nobody]).failed(3, &format!("there is no task {nobody}"), "tasker list");
    }
}

#[test]
fn store_that_does_not_answer_exits_4() {
    let database = fresh_sqlite();
    for (url, message) in [
        ("sqlite:///nowhere/at/all.db", "cannot be created: there is no folder /nowhere/at"),
        ("postgres://tasker@127.0.0.1:1/tasker", "the database does not answer"),
    ] {
        run(&database, &["list", "--database", url]).failed(4, message, "tasker doctor");
    }
}

#[test]
fn reader_of_standard_error_that_went_away_changes_nothing() {
    let database = fresh_sqlite();
    let order = ["run", "linear_workflow/mathematical_sequence", "--input"];
    for (input, code, out) in [("6", 0, "2821109907456\n"), ("7", 1, "")] {
        let mut command = tasker(&database, &order);
        command.arg(format!(r#"{{"even_number": {input}}}"#));
        let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(run.stderr.take());
        let ran = run.wait_with_output().unwrap();
        assert_eq!((ran.status.code(), &*String::from_utf8_lossy(&ran.stdout)), (Some(code), out));
    }
}

#[test]
fn run_that_takes_too_long_exits_5_and_says_how_to_come_back() {
    let database = fresh_sqlite();
    let ran = run(&database, &["run", "diamond_workflow/parallel_processing", "--timeout", "0"]);
    let task = last_task(&database);
    ran.failed(5, "has not finished after 0 s; it stays", &format!("tasker resume {task}"));
    let resumed = run(&database, &["resume", &task, "-o", "json"]);
    assert_eq!((resumed.code, &resumed.json()["result"]["final_result"]), (0, &json!(180)));
}

#[test]
fn input_comes_from_a_file_or_from_standard_input() {
    let database = fresh_sqlite();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{\"even_number\":\n  4}\n").unwrap();
    let at_file = format!("@{}", file.path().display());
    let linear = "linear_workflow/mathematical_sequence";
    let ran = run(&database, &["run", linear, "--input", &at_file]);
    assert_eq!((ran.code, &*ran.out), (0, "4294967296\n"), "{}", ran.err);

    let mut command = tasker(&database, &["run", linear, "--input", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"{"even_number": 2}"#).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, &*ran.out), (0, "65536\n"), "{}", ran.err);
}

#[tokio::test]
async fn killed_run_is_taken_up_where_it_was_and_nothing_recorded_is_done_again() {
    for database in databases().await {
        // Freed as soon as a lease can run out.
        let leased = |mut command: Command| {
            command.env("TASKER_WORKER_LEASE_SECONDS", "2").env("TASKER_WORKER_POLL_MS", "100");
            command
        };
        let mut command = leased(tasker(&database, &["run", "diamond_workflow/parallel_processing"]));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let begun = lines
            .map(Result::unwrap)
            .find(|line| line.contains("parallel_branch_c") && line.contains("in_progress"));
        assert!(begun.is_some(), "{database}");
        child.kill().unwrap();
        child.wait().unwrap();

        let task = last_task(&database);
        let before = run(&database, &["show", &task, "-o", "json"]).json();
        assert_eq!(before["steps"][0]["state"], "complete", "{database}");
        assert_eq!(before["steps"][3]["state"], "pending", "{database}: it was killed in the middle");
        let resumed =
            Ran::from(leased(tasker(&database, &["resume", &task, "-o", "json"])).output().unwrap());
        let after = resumed.json();
        assert_eq!((resumed.code, &after["result"]["final_result"]), (0, &json!(180)), "{database}");
        for (before, after) in
            before["steps"].as_array().unwrap().iter().zip(after["steps"].as_array().unwrap())
        {
            assert_eq!(after["attempts"], 1, "{database}: a kill burns no attempt");
            if before["state"] == "complete" {
                assert_eq!(before, after, "{database}: with the times of the first run");
            }
        }
    }
}

#[tokio::test]
async fn operators_commands_move_a_task_and_refuse_what_does_not_fit() {
    for database in databases().await {
        let order = r#"{"even_number": 7}"#;
        run(&database, &["run", "linear_workflow/mathematical_sequence", "--input", order]);
        let task = last_task(&database);
        let mistaken = run(&database, &["skip", &task, "linear_step_9"]);
        mistaken.failed(
            1,
            "the task has no step `linear_step_9`; did you mean `linear_step_",
            &format!("tasker show {task}"),
        );
        let paused = run(&database, &["pause", &task, "-o", "json"]);
        assert_eq!((paused.code, &paused.json()["state"]), (0, &json!("paused")), "{database}");
        let resolved = run(&database, &["resolve", &task, "linear_step_1", "--result", "16", "-o", "json"]);
        assert_eq!(resolved.json()["steps"][0]["state"], "resolved_manually", "{database}");
        let resumed = run(&database, &["resume", &task, "-o", "json"]);
        assert_eq!((resumed.code, &resumed.json()["result"]), (0, &json!(4_294_967_296_u64)), "{database}");
        let over = run(&database, &["cancel", &task]);
        over.failed(
            1,
            "the task is complete: nothing can change it any more",
            &format!("tasker show {task}"),
        );
    }
}

#[tokio::test]
async fn blocked_task_that_is_given_up_is_an_error() {
    for database in databases().await {
        let order = r#"{"even_number": 7}"#;
        run(&database, &["run", "linear_workflow/mathematical_sequence", "--input", order]);
        let task = run(&database, &["list", "-o", "json"]).json()[0]["task_id"].as_str().unwrap().to_owned();
        let given_up = run(&database, &["give-up", &task]);
        assert_eq!(
            (given_up.code, &*given_up.err),
            (0, &*format!("give-up: {task} is error\n")),
            "{database}"
        );
        let shown = run(&database, &["show", &task]).out;
        assert!(shown.contains("cause     failed for good: linear_step_1"), "{database}: {shown}");
        let again = run(&database, &["give-up", &task]);
        let over = "the task is error: nothing can change it any more";
        again.failed(1, over, &format!("tasker show {task}"));
    }
}

#[tokio::test]
async fn submitted_task_waits_for_who_runs_it_and_its_key_makes_it_one() {
    for database in databases().await {
        let order = ["submit", "diamond_workflow/diamond_pattern", "--input", r#"{"even_number": 2}"#];
        let order = [&order[..], &["--idempotency-key", "k"]].concat();
        let first = run(&database, &order);
        assert_eq!(first.code, 0, "{database}: {}", first.err);
        assert_eq!(run(&database, &order).out, first.out, "{database}");
        let other = ["submit", "diamond_workflow/diamond_pattern", "--input", r#"{ "even_number":4 }"#];
        let other = run(&database, &[&other[..], &["--idempotency-key", "k"]].concat());
        let first_task = first.out.trim();
        other.failed(2, "with another input", &format!("tasker show {first_task}"));
        let tasks = run(&database, &["list", "-o", "json"]).json();
        assert_eq!(tasks.as_array().unwrap().len(), 1, "{database}");
        assert_eq!(
            (&tasks[0]["task_id"], &tasks[0]["state"]),
            (&json!(first.out.trim()), &json!("pending")),
            "{database}"
        );
        let later = ["submit", "diamond_workflow/diamond_pattern", "--input", r#"{"even_number": 2}"#];
        let later = run(&database, &[&later[..], &["--delay", "3600"]].concat());
        let shown = run(&database, &["show", later.out.trim()]).out;
        assert!(shown.contains("\ndue       "), "{database}: {shown}");
        let resumed = run(&database, &["resume", first.out.trim(), "-o", "json"]);
        assert_eq!(resumed.json()["state"], "complete", "{database}: {}", resumed.err);
    }
}

const DECLINED: &str = r#"{"customer": {"id": 1, "email": "ada@example.org"},
    "items": [{"sku": "WIDGET-001", "quantity": 1, "price": 10}],
    "payment": {"method": "paypal", "token": "tok_declined"},
    "shipping": {"method": "standard", "address": "1 Main Street"}}"#;

#[test]
fn rolled_back_task_shows_what_was_undone() {
    let database = fresh_sqlite();
    run(&database, &["run", "order_fulfillment/business_workflow", "--input", DECLINED]);
    let task = last_task(&database);
    let shown = run(&database, &["show", &task]).out;
    let compensation: Vec<&str> =
        shown.lines().filter(|line| line.trim_start().starts_with("undo ")).collect();
    assert!(
        compensation.len() == 1 && compensation[0].contains("undo reserve_inventory  complete"),
        "{shown}"
    );
}

#[test]
fn failed_batch_is_told_with_the_count_of_its_worker() {
    let database = fresh_sqlite();
    let input = format!(r#"{{"numbers": [{0}, {0}]}}"#, i64::MAX);
    let failed =
        run(&database, &["run", "combined/diamond_decision_batch_processor", "--input", input.as_str()]);
    assert!(
        failed.err.contains(
            "error: step `process_odd_batch` failed for good: 0 of 1 batches complete, 1 failed\n       \
             step `process_odd_batch_001` failed for good after 1 of 3 attempts: OVERFLOW: "
        ),
        "{}",
        failed.err
    );
}

#[test]
fn paused_task_says_how_it_goes_on() {
    let database = fresh_sqlite();
    let submitted = run(&database, &["submit", "linear_workflow/linear_arithmetic"]).out;
    let task = submitted.trim();
    assert!(run(&database, &["pause", task]).err.ends_with("is paused\n"));
    run(&database, &["watch", task]).failed(1, "is paused", &format!("tasker resume {task}"));
    let resolved = ["resolve", task, "arithmetic_step_1", "--result", "{"];
    run(&database, &resolved).failed(2, "--result is not valid JSON", "tasker resolve --help");
}

#[test]
fn doctor_finds_what_a_start_refuses() {
    let (database, templates) = (fresh_sqlite(), tempfile::tempdir().unwrap());
    let directory = templates.path().to_str().unwrap();
    let unwired = "name: unwired\nsteps:\n  - name: linear_step_2\n";
    std::fs::write(templates.path().join("unwired.yaml"), unwired).unwrap();
    let refused = run(&database, &["run", "unwired", "--templates", directory]);
    refused.failed(2, "handlers and templates do not fit together", "tasker doctor");
    let found = run(&database, &["doctor", "--templates", directory]);
    let told = "wrong  wiring     handlers and templates do not fit together:\n\
                template `default/unwired`, step `linear_step_2`: ";
    assert!(found.code == 1 && found.out.contains(told), "{}", found.out);

    let foreign = "name: foreign\nsteps:\n  - name: done_elsewhere\n";
    std::fs::write(templates.path().join("unwired.yaml"), foreign).unwrap();
    let partial = tasker(&database, &["doctor", "--templates", directory])
        .env("TASKER_HANDLERS_PARTIAL", "true")
        .output()
        .unwrap();
    let partial = Ran::from(partial);
    assert_eq!(partial.code, 0, "{}", partial.out);
    assert!(partial.out.contains("no handler is called `done_elsewhere`"), "{}", partial.out);
}

#[test]
fn checks_follow_the_aliases_of_the_settings() {
    let (database, place) = (fresh_sqlite(), tempfile::tempdir().unwrap());
    let (settings, templates) = (place.path().join("tasker.toml"), place.path().join("tasks"));
    std::fs::create_dir(&templates).unwrap();
    std::fs::write(&settings, "[handlers.aliases]\n\"sums.start\" = \"arithmetic_step_1\"\n").unwrap();
    let renamed = "name: renamed\nsteps:\n  - { name: first, handler: sums.start }\n";
    std::fs::write(templates.join("renamed.yaml"), renamed).unwrap();
    let directory = templates.to_str().unwrap();
    for arguments in [
        &["template", "check", directory] as &[&str],
        &["doctor", "--templates", directory],
        &["run", "renamed", "--templates", directory],
    ] {
        let ran = tasker(&database, arguments).env("TASKER_CONFIG_PATH", &settings).output().unwrap();
        let ran = Ran::from(ran);
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.out, ran.err);
    }
}

const MISTAKEN: &str = "\
name: mistaken
namespace: shop
version: one
steps:
  - name: a
    handler: linear_step_1
    retires: 3
  - name: b
    handler: linear_step_1
    depends_on: [aa]
  - name: c
    handler: no_such_handler
    timeout_seconds: -1
";

#[test]
fn template_check_says_five_mistakes_at_once_with_their_places() {
    let database = fresh_sqlite();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mistaken.yaml");
    std::fs::write(&path, MISTAKEN).unwrap();
    let path = path.to_str().unwrap();
    let ran = run(&database, &["template", "check", path]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!(ran.out.starts_with(&format!("{path}: error\n")), "{}", ran.out);
    for (place, about) in [
        (":3:", "one"),
        (":7:", "retires"),
        (":10:", "aa"),
        (":12:", "no_such_handler"),
        (":13:", "timeout_seconds"),
    ] {
        let said = ran.out.contains(&format!("mistaken.yaml{place}")) && ran.out.contains(about);
        assert!(said, "{place} {about}:\n{}", ran.out);
    }
    let as_json = run(&database, &["template", "check", path, "-o", "json"]);
    assert_eq!((as_json.code, &as_json.json()[0]["verdict"]), (1, &json!("error")));
    let good = run(&database, &["template", "check"]);
    assert_eq!(good.code, 0, "{}", good.out);
    assert!(good.out.lines().all(|line| line.ends_with(": ok")), "{}", good.out);
    let nowhere = run(&database, &["template", "check", "/nowhere"]);
    nowhere.failed(3, "there is no file or folder /nowhere", "tasker --help");
}
