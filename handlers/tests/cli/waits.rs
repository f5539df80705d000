//! Steps that wait, from the command line.

use serde_json::json;
use support::{databases, world::eventually};

use crate::ran::{last_task, run, tasker};

const EXPENSE: &str = r#"{"employee": "Grace", "cents": 1250}"#;

#[tokio::test]
async fn signal_is_sent_shown_and_settles_the_step() {
    for database in databases().await {
        run(&database, &["submit", "approvals/expense_approval", "--input", EXPENSE]);
        let task = last_task(&database);
        let sent =
            run(&database, &["signal", &task, "expense_answer", "-p", r#"{"approved": true, "by": "ada"}"#]);
        let said = format!("signal: `expense_answer` was sent to {task}, as its signal 1\n");
        assert_eq!((sent.code, sent.err), (0, said), "{database}");
        let shown = run(&database, &["show", &task]);
        assert!(
            shown.out.contains("signal    expense_answer, sent ") && shown.out.contains(", not used yet: "),
            "{database}: {}",
            shown.out
        );

        let resumed = run(&database, &["resume", &task, "-o", "json"]);
        assert_eq!(resumed.code, 0, "{database}: {}", resumed.err);
        let report = run(&database, &["show", &task, "-o", "json"]).json();
        assert_eq!(report["result"], json!({"outcome": "approved by ada", "reminded": false}), "{database}");
        let late = run(&database, &["signal", &task, "expense_answer", "--key", "k"]);
        assert_eq!(late.code, 1, "{database}");
        assert!(
            late.err.contains("the task is complete: nothing waits for signals any more"),
            "{}",
            late.err
        );
    }
}

#[tokio::test]
async fn what_is_waited_for_stands_in_show_and_graph() {
    for database in databases().await {
        run(&database, &["submit", "approvals/expense_approval", "--input", EXPENSE]);
        let task = last_task(&database);
        let mut serve = tasker(&database, &["serve"]).stderr(std::process::Stdio::null()).spawn().unwrap();
        let look = || async {
            let report = run(&database, &["show", &task, "-o", "json"]).json();
            (report["state"] == "waiting" && report["worker"].is_null()).then_some(report)
        };
        let waiting = eventually("the task to wait", look).await;
        serve.kill().unwrap();
        serve.wait().unwrap();
        let step = waiting["steps"]
            .as_array()
            .unwrap()
            .iter()
            .find(|step| step["name"] == "expense_answer")
            .unwrap();
        let waits_for = step["waits_for"].as_str().unwrap();
        assert!(waits_for.starts_with("the signal `expense_answer`, until "), "{database}: {waits_for}");
        let shown = run(&database, &["show", &task]).out;
        assert!(shown.contains(&format!("waits for {waits_for}")), "{database}: {shown}");
        let graph = run(&database, &["graph", &task]).out;
        assert!(graph.contains(&format!("◷ waiting for {waits_for}")), "{database}: {graph}");

        let misspelt = run(&database, &["signal", &task, "expense_anser"]);
        assert_eq!(misspelt.code, 1, "{database}");
        assert!(misspelt.err.contains("did you mean `expense_answer`?"), "{}", misspelt.err);
        let skipped = run(&database, &["skip", &task, "expense_answer"]);
        assert_eq!(skipped.code, 0, "{database}: {}", skipped.err);
    }
}
