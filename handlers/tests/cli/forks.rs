//! Tasks that are started again.

use serde_json::json;
use support::{databases, fresh_sqlite};

use crate::ran::{last_task, run};

const SEQUENCE: &str = "linear_workflow/mathematical_sequence";

#[tokio::test]
async fn task_is_started_again_from_its_beginning_or_from_a_step() {
    for database in databases().await {
        run(&database, &["run", SEQUENCE, "--input", r#"{"even_number": 6}"#]);
        let old = last_task(&database);
        let forked = run(&database, &["fork", &old, "--from", "linear_step_3"]);
        let new = forked.out.trim().to_owned();
        assert!(forked.code == 0 && new == last_task(&database), "{database}: {}", forked.err);
        let resumed = run(&database, &["resume", &new]);
        assert_eq!((resumed.code, &*resumed.out), (0, "2821109907456\n"), "{database}: {}", resumed.err);
        let shown = run(&database, &["show", &new]).out;
        let line = format!("origin    fork of {old} from `linear_step_3`");
        assert!(shown.lines().any(|shown| shown == line), "{database}: {shown}");
        let report = run(&database, &["show", &new, "-o", "json"]).json();
        let origin = json!({ "task": old, "kind": "fork", "from": "linear_step_3" });
        assert_eq!(report["origin"], origin, "{database}");

        let replayed = run(&database, &["replay", &old, "-o", "json"]).json();
        assert_eq!(replayed["origin"], json!({ "task": old, "kind": "replay" }), "{database}");
        let again = run(&database, &["resume", replayed["task_id"].as_str().unwrap()]);
        assert_eq!((again.code, &*again.out), (0, "2821109907456\n"), "{database}: {}", again.err);
    }
}

#[test]
fn what_cannot_be_forked_is_refused_with_a_code() {
    let database = fresh_sqlite();
    run(&database, &["run", SEQUENCE, "--input", r#"{"even_number": 7}"#]);
    let old = last_task(&database);
    let show = format!("tasker show {old}");
    let unknown = run(&database, &["fork", &old, "--from", "linear_step3"]);
    let near = "UNKNOWN_STEP: the task has no step `linear_step3`; did you mean `linear_step_3`?";
    unknown.failed(1, near, &show);
    let unsettled = run(&database, &["fork", &old, "--from", "linear_step_3"]);
    let why = "UPSTREAM_UNSETTLED: the task is not over, and `linear_step_1`, which `linear_step_3` depends on, has";
    unsettled.failed(1, why, &show);
    let other = r#"{"even_number": 6}"#;
    let forked = run(&database, &["fork", &old, "--from", "linear_step_1", "--input", other]);
    let resumed = run(&database, &["resume", forked.out.trim()]);
    assert_eq!((resumed.code, &*resumed.out), (0, "2821109907456\n"), "{}", resumed.err);
    let unfit = run(&database, &["fork", &old, "--from", "linear_step_1", "--input", "{"]);
    unfit.failed(2, "--input is not valid JSON", "tasker fork --help");
    let nobody = "0198c1c0-0000-7000-8000-000000000000";
    let gone = run(&database, &["replay", nobody]);
    gone.failed(3, &format!("there is no task {nobody}"), "tasker list");
    let help = run(&database, &["fork", "--help"]);
    let help = help.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("Results that are kept were computed from the old one"), "{help}");
}
