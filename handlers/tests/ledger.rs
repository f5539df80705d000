//! The ledger of payments, kept by processes of their own, one of which is killed.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use handlers::payment_ledger;
use serde_json::json;
use support::{TestDatabase, databases};
use tasker_runtime::{Tasker, api::Submission};

/// `tasker serve` with a ledger.
fn serve(database: &TestDatabase, ledger: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tasker"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).arg("serve");
    command.env("DATABASE_URL", &database.url).env(payment_ledger::VARIABLE, ledger);
    command.env_remove("TASKER_CONFIG_PATH").env("TASKER_WORKER_LEASE_SECONDS", "2");
    command.env("TASKER_SERVER_LISTEN", "127.0.0.1:0");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until the ledger has so many lines, with repetitions.
fn wait_for(ledger: &Path, lines: usize) {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let text = std::fs::read_to_string(ledger).unwrap_or_default();
        if text.lines().count() >= lines {
            return;
        }
        assert!(Instant::now() < until, "{} of {lines} lines", text.lines().count());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn ledger_has_every_payment_in_order_although_its_process_is_killed() {
    const TASKS: usize = 120;
    for database in databases().await {
        let directory = tempfile::tempdir().unwrap();
        let ledger = directory.path().join("ledger");
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tasks/domain_events");
        let builder = Tasker::builder().database(&database.url).auto_discover(false);
        let tasker = builder.template_directory(templates).connect().await.unwrap();
        // Every third payment is declined twice, and each attempt is told.
        let order = |number: usize| {
            let context = json!({
                "order_id": number.to_string(), "customer_id": "ada", "amount": number + 1,
                "simulate_failure": number.is_multiple_of(3),
            });
            Submission::to("domain_events/domain_event_publishing").context(&context).unwrap()
        };
        let mut first = serve(&database, &ledger);
        let tasks = tasker.submit_all((0..TASKS).map(order)).await.unwrap();
        wait_for(&ledger, TASKS / 4);
        first.kill().unwrap();
        first.wait().unwrap();
        let seen_by_first = std::fs::read_to_string(&ledger).unwrap().lines().count();
        let mut second = serve(&database, &ledger);
        let expected: BTreeMap<String, Vec<String>> = (0..TASKS)
            .map(|number| {
                let task = tasks[number].to_string();
                let declined = |attempt| format!("{task} {attempt} payment.failed 0.00");
                let lines = match number % 3 {
                    0 => vec![declined(1), declined(2)],
                    _ => vec![format!("{task} 1 payment.processed {}.00", number + 1)],
                };
                (task, lines)
            })
            .collect();
        let until = Instant::now() + Duration::from_secs(120);
        let found = loop {
            let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for line in payment_ledger::read(&ledger).unwrap() {
                found.entry(line[..36].to_owned()).or_default().push(line);
            }
            if found == expected || Instant::now() > until {
                break found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(found, expected, "{database}: the first process saw {seen_by_first}");
        second.kill().unwrap();
        second.wait().unwrap();
    }
}
