//! Domain events and who hears them, from the command line.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::{Value, json};
use support::databases;

use crate::ran::{run, tasker};

const PUBLISHING: &str = "domain_events/domain_event_publishing";

fn order(declined: bool) -> String {
    json!({"order_id": "7", "customer_id": "ada", "amount": 9.5, "simulate_failure": declined}).to_string()
}

#[tokio::test]
async fn events_are_listed_shown_and_followed() {
    for database in databases().await {
        let ran = run(&database, &["run", PUBLISHING, "--input", &order(false), "-o", "json"]).json();
        let task = ran["task_id"].as_str().unwrap();
        run(&database, &["run", PUBLISHING, "--input", &order(true)]);
        let names = |listed: &Value| {
            let events = listed.as_array().unwrap();
            events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let all = run(&database, &["events", "list", "-o", "json"]).json();
        assert_eq!(names(&all), ["payment.processed", "payment.failed", "payment.failed"], "{database}");
        let failed = run(&database, &["events", "list", "payment.failed", "-o", "json"]).json();
        assert_eq!(names(&failed).len(), 2, "{database}");
        let of_task = run(&database, &["events", "list", "--task", task, "-o", "json"]).json();
        assert_eq!(
            (names(&of_task), &of_task[0]["data"]["amount"]),
            (vec!["payment.processed".to_owned()], &json!(9.5))
        );
        let position = all[0]["position"].as_str().unwrap();
        let shown = run(&database, &["events", "show", position, "-o", "json"]).json();
        assert_eq!(shown, all[0], "{database}");
        run(&database, &["events", "show", "999"]).failed(
            3,
            "there is no event at position 999",
            "tasker events list",
        );
        run(&database, &["events", "list", "a..b"]).code.eq(&2).then_some(()).unwrap();

        for begin in [["--from", "0"], ["--since", "1h"]] {
            let mut tail = tasker(&database, &["events", "tail", "payment.*", "-o", "jsonl"]);
            let mut tail = tail.args(begin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let lines = BufReader::new(tail.stdout.take().unwrap()).lines().take(3);
            let read: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
            assert_eq!(json!(read), all, "{database}");
            let stopped = std::process::Command::new("kill").args(["-INT", &tail.id().to_string()]).status();
            assert!(stopped.unwrap().success());
            let left = tail.wait_with_output().unwrap();
            let said = String::from_utf8(left.stderr).unwrap();
            let (_, position) =
                said.trim_end().rsplit_once("go on with: tasker events tail --from ").unwrap();
            let last: i64 = all[2]["position"].as_str().unwrap().parse().unwrap();
            // Numbers that were given out in vain may lie behind the last event.
            assert!(position.parse::<i64>().unwrap() >= last, "{database}: {said}");
        }
        let later = ["events", "list", "--after", all[2]["position"].as_str().unwrap(), "-o", "json"];
        assert_eq!(run(&database, &later).json(), json!([]), "{database}");
    }
}

#[tokio::test]
async fn subscription_is_listed_paused_reset_and_told_again() {
    for database in databases().await {
        let directory = tempfile::tempdir().unwrap();
        let ledger = directory.path().join("ledger");
        let run_with_ledger = || {
            let mut command = tasker(&database, &["run", PUBLISHING, "--input", &order(false)]);
            command.env("PAYMENT_LEDGER", &ledger).output().unwrap();
        };
        let lines = || std::fs::read_to_string(&ledger).unwrap_or_default().lines().count();
        // One run may be over before its event is delivered; the next one delivers it then.
        while lines() < 1 {
            run_with_ledger();
        }
        let listed = run(&database, &["subscription", "list", "-o", "json"]).json();
        let fields = (&listed[0]["name"], &listed[0]["patterns"], &listed[0]["state"], &listed[0]["dead"]);
        assert_eq!(fields, (&json!("payment_ledger"), &json!(["payment.*"]), &json!("orphaned"), &json!(0)));
        let paused = run(&database, &["subscription", "pause", "payment_ledger"]);
        assert!(
            paused.err.starts_with("subscription: `payment_ledger` is paused, after position "),
            "{}",
            paused.err
        );
        let before = lines();
        run_with_ledger();
        assert_eq!(lines(), before, "{database}");
        let resumed = run(&database, &["subscription", "resume", "payment_ledger", "-o", "json"]).json();
        assert_eq!(resumed["state"], "orphaned", "{database}");
        let reset =
            run(&database, &["subscription", "reset", "payment_ledger", "--to", "start", "-o", "json"])
                .json();
        assert_eq!(reset["position"], 0, "{database}");
        let wrong = run(&database, &["subscription", "reset", "payment_ledger", "--to", "yesterday"]);
        assert!(wrong.code == 2 && wrong.err.contains("is no place in the log"), "{}", wrong.err);
        run(&database, &["subscription", "reset", "payment_ledger", "--to", "now"]);
        let unknown = run(&database, &["subscription", "pause", "payment_leger"]);
        unknown.failed(3, "there is no subscription `payment_leger`", "tasker subscription list");

        let replay = ["events", "replay", "--subscription", "payment_ledger", "--since", "1h"];
        let dry = run(&database, &[&replay[..], &["--dry-run", "-o", "json"]].concat()).json();
        let events = run(&database, &["events", "list", "payment.*", "-o", "json"]).json();
        assert_eq!(dry["events"], events.as_array().unwrap().len(), "{database}");
        assert_eq!(run(&database, &["subscription", "list", "-o", "json"]).json()[0]["parked"], 0);
        let told = run(&database, &replay);
        assert!(told.err.contains("`payment_ledger` hears "), "{database}: {}", told.err);
        let parked = &run(&database, &["subscription", "list", "-o", "json"]).json()[0]["parked"];
        assert_eq!(*parked, dry["events"], "{database}");

        let letters = run(&database, &["events", "letters", "-o", "json"]).json();
        assert_eq!(letters, json!([]), "{database}");
        let retried = ["events", "letters", "retry", "--subscription", "payment_ledger", "-o", "json"];
        assert_eq!(run(&database, &retried).json(), json!({"events": 0}), "{database}");
    }
}
