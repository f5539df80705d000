//! What is said where something is wrong, or where there is nothing.

use std::process::Stdio;

use support::{databases, fresh_sqlite};

use crate::ran::{Folder, Ran, last_task, run, tasker};

#[test]
fn what_is_no_task_id_is_told_how_one_looks() {
    let database = fresh_sqlite();
    for command in ["show", "resume", "retry", "cancel", "watch"] {
        let ran = run(&database, &[command, "nope"]);
        assert_eq!(ran.code, 2, "{command}");
        assert!(ran.err.contains("a task id looks like 0198c1c0-"), "{command}: {}", ran.err);
        assert!(ran.err.contains("`tasker list` shows which there are"), "{command}: {}", ran.err);
    }
}

#[test]
fn where_there_is_no_template_the_way_out_is_said_once() {
    let database = fresh_sqlite();
    for command in ["run", "graph"] {
        let ran = run(&database, &[command, "zzz"]);
        assert_eq!(ran.err, "error: there is no template `zzz`\ntry: tasker template list\n", "{command}");
    }
    let ran = run(&database, &["template", "show", "zzz"]);
    assert_eq!(ran.err, "error: there is no template `zzz`\ntry: tasker template list\n");
}

#[test]
fn handler_that_reads_a_missing_step_is_not_told_to_read_its_own() {
    let (database, folder) = (fresh_sqlite(), Folder::new());
    folder.put("unwired.yaml", "name: unwired\nsteps:\n  - name: linear_step_2\n");
    let ran = folder.run(&database, &["run", "unwired"]);
    assert!(ran.err.contains("reads `linear_step_1`, and no step has that name"), "{}", ran.err);
    assert!(!ran.err.contains("did you mean"), "{}", ran.err);
}

#[test]
fn folder_without_templates_is_no_silence() {
    let database = fresh_sqlite();
    let empty = tempfile::tempdir().unwrap();
    let ran = run(&database, &["template", "check", empty.path().to_str().unwrap()]);
    assert_eq!((ran.code, &*ran.out), (0, ""));
    assert_eq!(ran.err, format!("there are no templates in {}\n", empty.path().display()));
}

#[test]
fn template_as_data_is_on_several_lines_as_all_data_is() {
    let database = fresh_sqlite();
    let order = ["template", "show", "linear_workflow/linear_arithmetic", "-o"];
    let pretty = run(&database, &[&order[..], &["json"]].concat());
    let compact = run(&database, &[&order[..], &["jsonl"]].concat());
    assert!(pretty.out.starts_with("{\n  \"name\""), "{}", pretty.out);
    assert_eq!((pretty.json(), compact.out.lines().count()), (compact.json(), 1));
}

#[test]
fn number_that_is_too_large_is_not_to_be_put_in_quotes() {
    let (database, folder) = (fresh_sqlite(), Folder::new());
    let text = "name: a\nsteps:\n  - name: panic_once\n    retry: { backoff_base_ms: 123456789012345678901234567890 }\n";
    let ran = run(&database, &["template", "check", &folder.put("a.yaml", text)]);
    assert!(ran.out.contains("write another number, or text in quotes where"), "{}", ran.out);
}

#[test]
fn next_command_of_a_new_project_can_be_pasted() {
    let (database, place) = (fresh_sqlite(), tempfile::tempdir().unwrap());
    let directory = place.path().join("it's bad!");
    let ran = run(&database, &["new", directory.to_str().unwrap()]);
    let pasted = format!("next: cd '{}/it'\\''s bad!'\n", place.path().display());
    assert!(ran.err.starts_with(&pasted), "{}", ran.err);
}

/// `doctor` with this file of settings.
fn with_settings(text: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let (database, file) = (fresh_sqlite(), tempfile::NamedTempFile::new().unwrap());
    std::fs::write(file.path(), text).unwrap();
    let mut command = tasker(&database, arguments);
    command.env("TASKER_CONFIG_PATH", file.path()).envs(variables.iter().copied());
    command.output().unwrap().into()
}

#[test]
fn mistakes_in_settings_and_variables_are_told_all_at_once() {
    let settings = "[worker]\nconcurrency = 0\npol_ms = 3\n[colour]\nred = 1\n[api.x]\nbase_url = 1\ntimeout_seconds = 0\n\
                    [handlers.aliases]\na = 1\n";
    let variables =
        [("TASKER_WORKER_CONCURENCY", "3"), ("TASKER_WORKER_WAKE", "never"), ("TASKER_TEST_X", "1")];
    let ran = with_settings(settings, &["config", "show"], &variables);
    assert_eq!(ran.code, 2, "{}", ran.err);
    for mistake in [
        "there is no variable `TASKER_WORKER_CONCURENCY`; did you mean `TASKER_WORKER_CONCURRENCY`?",
        "`worker.concurrency` must be a whole number",
        "there is no setting `worker.pol_ms`; did you mean `worker.poll_ms`?",
        "there is no setting `colour.red`",
        "[api.x]: `base_url` must be text",
        "[api.x]: `timeout_seconds` must be a whole number",
        "`handlers.aliases` must be names of handlers in quotes",
        "TASKER_WORKER_WAKE: `worker.wake` must be one of",
    ] {
        assert!(ran.err.contains(mistake), "{mistake}: {}", ran.err);
    }
    assert_eq!(ran.err.lines().count(), 9, "{}", ran.err);
}

#[test]
fn empty_database_url_is_none() {
    let shown = with_settings("", &["config", "show", "-o", "json"], &[("DATABASE_URL", "")]).json();
    assert_eq!((&shown[0]["value"], &shown[0]["source"]), (&"sqlite://tasker.db".into(), &"default".into()));
}

#[test]
fn alias_of_a_handler_that_is_not_there_is_found_at_the_start_and_all_are_shown() {
    let settings = "[handlers.aliases]\n\"a.b\" = \"linear_step_11\"\n";
    let found = with_settings(settings, &["doctor"], &[]);
    let told = "`a.b` stands for a handler that is not there: no handler is called `linear_step_11`; did you mean `linear_step_1`?";
    assert!(found.code == 1 && found.out.contains(told), "{}{}", found.out, found.err);
    let refused = with_settings(settings, &["run", "linear_workflow/linear_arithmetic"], &[]);
    assert!(refused.code == 2 && refused.err.contains(told), "{}", refused.err);
    let shown = with_settings(settings, &["config", "show"], &[]).out;
    let line = shown.lines().find(|line| line.contains("handlers.aliases.a.b"));
    assert!(line.is_some_and(|line| line.contains("linear_step_11")), "{shown}");
}

#[tokio::test]
async fn list_says_which_handler_a_task_waits_for() {
    for database in databases().await {
        let folder = Folder::new();
        folder.put("foreign.yaml", "name: foreign\nsteps:\n  - name: done_elsewhere\n");
        let task = folder.run(&database, &["submit", "foreign"]).out;
        let mut holder = tasker(&database, &["resume", task.trim(), "--timeout", "60"]);
        holder.env("TASKER_HANDLERS_PARTIAL", "true").stdout(Stdio::null()).stderr(Stdio::null());
        let mut holder = holder.spawn().unwrap();
        let told = (0..200).any(|_| {
            run(&database, &["list"]).out.contains("in_progress")
                && run(&database, &["list"]).out.contains("waits for a worker with handler `done_elsewhere`")
        });
        holder.kill().unwrap();
        holder.wait().unwrap();
        assert!(told, "{database}: {}", run(&database, &["show", &last_task(&database)]).out);
    }
}

#[test]
fn retry_is_not_advised_where_the_input_is_wrong() {
    let (database, folder) = (fresh_sqlite(), Folder::new());
    folder.put("picky.yaml", "name: picky\nsteps:\n  - name: linear_step_1\n");
    let ran = folder.run(&database, &["run", "picky", "--input", "\"six\""]);
    let task = last_task(&database);
    let hint = format!("tasker run default/picky --input … with another input, and tasker give-up {task}");
    ran.failed(1, "INVALID_CONTEXT", &hint);
}

#[test]
fn handlers_are_listed_with_queue_retry_and_timeout() {
    let listed = run(&fresh_sqlite(), &["handler", "list"]).out;
    let head: Vec<&str> = listed.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        head,
        ["HANDLER", "QUEUE", "RETRY", "TIMEOUT", "READS", "COMPENSATES", "PLACE", "DESCRIPTION"]
    );
    assert_eq!(listed.matches("  10 attempts from 1s to 5m  ").count(), 2, "{listed}");
    let lines = run(&fresh_sqlite(), &["handler", "list", "-o", "json"]).json();
    let tried = lines.as_array().unwrap().iter().filter(|line| line["retry"]["max_attempts"] == 10);
    let tried: Vec<_> =
        tried.map(|line| (&line["retry"]["backoff_base_ms"], &line["queue"], &line["timeout_ms"])).collect();
    let (base, none) = (serde_json::json!(1000), serde_json::Value::Null);
    assert_eq!(tried, [(&base, &none, &none); 2], "{lines}");
}
