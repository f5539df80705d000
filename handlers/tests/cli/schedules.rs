//! When tasks start by themselves, from the command line.

use std::fs;

use serde_json::json;
use support::{databases, fresh_sqlite};

use crate::ran::{run, tasker};

const NIGHTLY: &str = "shop/nightly_report";

#[tokio::test]
async fn schedule_of_a_workflow_is_listed_shown_resumed_and_triggered() {
    for database in databases().await {
        run(&database, &["run", "diamond_workflow/parallel_processing"]);
        let listed = run(&database, &["schedule", "list", "-o", "json"]).json();
        assert_eq!(listed[0]["name"], NIGHTLY, "{database}");
        let shown = run(&database, &["schedule", "show", NIGHTLY]);
        assert!(
            shown.out.contains("when      30 2 * * * Europe/Berlin\nstate     paused\n"),
            "{database}: {}",
            shown.out
        );
        let resumed = run(&database, &["schedule", "resume", NIGHTLY]);
        assert!(
            resumed.err.starts_with("schedule: `shop/nightly_report` goes on, next at 20"),
            "{}",
            resumed.err
        );
        let shown = run(&database, &["schedule", "show", NIGHTLY, "-o", "json"]).json();
        assert_eq!(shown["next"].as_array().unwrap().len(), 5, "{database}");
        assert!(shown["next"][0].as_str().unwrap().contains("T02:30:00+0"), "{shown}");
        let paused = run(&database, &["schedule", "pause", NIGHTLY]);
        assert_eq!(paused.err, "schedule: `shop/nightly_report` is paused\n", "{database}");

        let triggered = run(&database, &["schedule", "trigger", NIGHTLY]);
        let resumed = run(&database, &["resume", triggered.out.trim()]);
        assert_eq!(resumed.code, 0, "{database}: {}", resumed.err);
        assert!(resumed.out.contains(" were sold before 20"), "{database}: {}", resumed.out);
        let again = run(&database, &["schedule", "show", NIGHTLY, "-o", "json"]).json();
        assert_eq!(again["last_task"], triggered.out.trim(), "{database}");
        let deleted = run(&database, &["schedule", "delete", NIGHTLY]);
        deleted.failed(
            1,
            "the schedule `shop/nightly_report` is part of shop/nightly_report",
            "tasker schedule pause shop/nightly_report",
        );
    }
}

#[tokio::test]
async fn schedule_is_made_overwritten_and_deleted() {
    for database in databases().await {
        let create =
            ["schedule", "create", "--template", "diamond_workflow/parallel_processing", "--name", "often"];
        let made = run(&database, &[&create[..], &["--every", "1h", "-o", "json"]].concat()).json();
        assert_eq!(
            (&made["started"], &made["definition"]),
            (&json!(0), &json!({"name": "often", "every": "1h"}))
        );
        let again = run(&database, &[&create[..], &["--cron", "@daily"]].concat());
        again.failed(1, "there is a schedule `often` already", "the same with --overwrite");
        let over =
            [&create[..], &["--cron", "0 6 * * mon", "--timezone", "Europe/Berlin", "--overwrite"]].concat();
        let over = run(&database, &over);
        assert!(over.err.starts_with("schedule: `often` is made, next at 20"), "{database}: {}", over.err);
        let deleted = run(&database, &["schedule", "delete", "often"]);
        assert_eq!(deleted.err, "schedule: `often` is deleted\n", "{database}");
        run(&database, &["schedule", "show", "often"]).failed(
            3,
            "there is no schedule `often`",
            "tasker schedule list",
        );
    }
}

#[test]
fn wrong_schedules_are_refused_with_the_way_out() {
    let database = fresh_sqlite();
    let create = ["schedule", "create", "--template", "diamond_workflow/parallel_processing"];
    let refused = |more: &[&str]| run(&database, &[&create[..], more].concat());
    let never = refused(&["--cron", "0 0 31 2 *"]);
    never.failed(2, "`cron` never comes: no such day in the next 40 years", "tasker schedule create --help");
    let zone = refused(&["--cron", "@daily", "--timezone", "Berlin"]);
    assert!(zone.err.contains("did you mean `Europe/Berlin`?"), "{}", zone.err);
    let word = refused(&["--cron", "@daily", "--overlap", "queued"]);
    assert!(
        word.code == 2 && word.err.contains("write skip, queue, cancel_running or allow"),
        "{}",
        word.err
    );
    let nothing = refused(&[]);
    assert!(nothing.code == 2 && nothing.err.contains("--cron"), "{}", nothing.err);
    let unknown = run(&database, &["schedule", "create", "--template", "nightly_repor", "--cron", "@daily"]);
    unknown.failed(3, "did you mean `shop/nightly_report`?", "tasker template list");
}

#[test]
fn files_of_schedules_stand_beside_the_templates() {
    let database = fresh_sqlite();
    let folder = tempfile::tempdir().unwrap();
    let (tasks, schedules) = (folder.path().join("tasks"), folder.path().join("schedules"));
    fs::create_dir_all(&tasks).unwrap();
    fs::create_dir_all(&schedules).unwrap();
    let file = schedules.join("often.yaml");
    fs::write(
        &file,
        "template: shop/nightly_report\nname: often\nevery: 1h\ninput: {at: \"{{scheduled_at}}\"}\n",
    )
    .unwrap();
    let ran = |arguments: &[&str]| {
        let output =
            tasker(&database, arguments).args(["--templates".as_ref(), tasks.as_os_str()]).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert_eq!(ran(&["template", "check"]).0, Some(0));
    let (code, task, err) =
        ran(&["submit", "shop/nightly_report", "--input", r#"{"at": "2026-01-01T00:00:00Z"}"#]);
    assert_eq!((code, task.len()), (Some(0), 37), "{err}");
    let listed = run(&database, &["schedule", "show", "often", "-o", "json"]).json();
    assert_eq!(listed["template"], NIGHTLY);
    // One that is taken away is dropped when a program starts without it.
    fs::write(&file, "template: shop/nightly_report\ncron: 0 25 * * *\n").unwrap();
    let (code, _, err) = ran(&["template", "check"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("`cron` has no hour `25`") && err.contains("often.yaml:2:7"), "{err}");
    fs::remove_file(&file).unwrap();
    ran(&["schedule", "trigger", NIGHTLY]);
    run(&database, &["schedule", "show", "often"]).failed(
        3,
        "there is no schedule `often`",
        "tasker schedule list",
    );
}
