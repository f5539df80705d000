//! The benchmark in its smallest form: every part of it runs on both stores and says what it measured.
//! How fast anything was is no matter here.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::{TestDatabase, databases, fresh_sqlite};

/// `tasker bench` on this database.
fn bench(database: &TestDatabase, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tasker"));
    command.args(["bench", "--database", &database.url]).args(arguments);
    command.env_remove("TASKER_CONFIG_PATH").env_remove("RUST_LOG").stdin(Stdio::null());
    command.output().unwrap()
}

fn findings(output: &Output) -> Value {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Part and name of everything that was measured.
fn names(findings: &Value) -> Vec<String> {
    let name = |measure: &Value| {
        format!("{}: {}", measure["part"].as_str().unwrap(), measure["what"].as_str().unwrap())
    };
    findings["measures"].as_array().unwrap().iter().map(name).collect()
}

const TINY: [&str; 20] = [
    "--tasks",
    "40",
    "--singles",
    "10",
    "--waiting",
    "60",
    "--fan-out",
    "150",
    "--instances",
    "3,30",
    "--processes",
    "2",
    "--callers",
    "1,3",
    "--online",
    "50",
    "--idle",
    "3",
    "-o",
    "json",
];

const ON_BOTH: [&str; 34] = [
    "latency: idle task of four steps, p50",
    "latency: idle task of four steps, p95",
    "latency: idle task of four steps, p99",
    "latency: idle: commits",
    "submit: one task a transaction, one client",
    "submit: one task a transaction, 8 clients at once",
    "backlog: linear: bulk submit, 1,000 tasks a transaction",
    "backlog: linear: backlog drained",
    "backlog: linear: commits",
    "backlog: linear: floor, ",
    "backlog: linear: backlog ÷ floor",
    "backlog: diamond: bulk submit, 1,000 tasks a transaction",
    "backlog: diamond: backlog drained",
    "backlog: diamond: commits",
    "backlog: diamond: floor, ",
    "backlog: diamond: backlog ÷ floor",
    "backlog: linear: drained while half of it is submitted",
    "backlog: linear: submitted meanwhile",
    "online: three steps: backlog drained",
    "online: 1 at once: submit and wait",
    "online: 1 at once: a task, p50",
    "online: 1 at once: a task, p95",
    "online: 1 at once: commits",
    "online: 1 at once: statements",
    "online: 1 at once: rate ÷ backlog",
    "online: 3 at once: submit and wait",
    "idle: statements of a process with nothing to do",
    "fan-out: 1 → 150 → 1, best of 5",
    "instances: 3 instances, best of 5",
    "instances: 30 instances, best of 5",
    "memory: idle",
    "memory: peak under load, from 40 tasks waiting",
    "memory: peak under load, from 60 tasks waiting",
    "memory: idle, 60 tasks not due yet",
];

const ON_POSTGRES: [&str; 9] = [
    "backlog: linear: WAL",
    "backlog: diamond: WAL",
    "processes: 1 process: backlog drained",
    "processes: 2 processes: backlog drained",
    "processes: 2 processes ÷ one",
    "fan-out: steps of 50 ms, 1 process",
    "fan-out: steps of 50 ms, 2 processes",
    "fan-out: 2 processes: share of the one that did less",
    "fan-out: 2 processes: longest time in which no step started",
];

#[tokio::test]
async fn every_part_measures_on_both_stores() {
    for database in databases().await {
        let found = findings(&bench(&database, &TINY));
        let names = names(&found);
        let has = |wanted: &&str| names.iter().any(|name| name.starts_with(wanted));
        for wanted in ON_BOTH {
            assert!(has(&wanted), "{database}: no {wanted}: {names:#?}");
        }
        for wanted in ON_POSTGRES {
            assert_eq!(has(&wanted), !database.is_sqlite(), "{database}: {wanted}: {names:#?}");
        }
        for measure in found["measures"].as_array().unwrap() {
            let value = measure["value"].as_f64();
            // The system counts processor time in hundredths of a second: so little work may take none. And a
            // process with nothing to do may ask nothing for a while.
            let what = measure["what"].as_str().unwrap();
            let none = what.contains("processor time") || what.contains("nothing to do");
            let least = if none { 0.0 } else { 1e-9 };
            let sound = value.is_some_and(|value| value >= least && value.is_finite());
            assert!(sound && measure["unit"].is_string(), "{database}: {measure}");
        }
    }
}

#[tokio::test]
async fn json_says_on_what_it_was_measured() {
    for database in databases().await {
        let found = findings(&bench(&database, &["--only", "latency", "--singles", "3", "-o", "json"]));
        assert!(names(&found).iter().all(|name| name.starts_with("latency: ")), "{database}");
        let machine = &found["machine"];
        assert!(machine["cores"].as_u64() > Some(0) && machine["cpu"].is_string(), "{database}: {machine}");
        assert!(machine["os"].is_string() && machine["memory_gib"].is_number(), "{database}: {machine}");
        let versions = &found["versions"];
        assert_eq!(versions["tasker"], env!("CARGO_PKG_VERSION"), "{database}");
        assert!(versions["build"].is_string() && versions["rustc"].is_string(), "{database}: {versions}");
        let server = versions["database"].as_str().unwrap();
        assert!(server.starts_with(&database.to_string()), "{database}: {server}");
        let settings = found["database"].as_array().unwrap();
        let named = |name: &str| settings.iter().find(|setting| setting["name"] == name);
        if database.is_sqlite() {
            assert_eq!(named("synchronous").unwrap()["value"], "full");
            assert_eq!(named("journal_mode").unwrap()["value"], "wal");
        } else {
            assert!(named("fsync").is_some() && named("synchronous_commit").is_some(), "{settings:?}");
        }
        for setting in ["concurrency", "held_tasks", "tasks_per_claim", "messages_per_record", "pool_size"] {
            assert!(found["engine"][setting].as_u64() > Some(0), "{database}: {setting}: {found}");
        }
        assert_eq!(found["sizes"]["singles"], json!(3), "{database}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let database = fresh_sqlite();
    for (arguments, message) in [
        (["--only", "processes"], "several processes are measured on PostgreSQL"),
        (["--only", "nothing"], "invalid value"),
        (["--tasks", "0"], "0 is not in"),
    ] {
        let refused = bench(&database, &arguments);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(message) && refused.stdout.is_empty(), "{arguments:?}: {said}");
    }
}

#[test]
fn table_has_machine_settings_and_a_line_for_each_measure() {
    let output = bench(&fresh_sqlite(), &["--only", "latency,fan-out", "--singles", "3", "--fan-out", "5"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}");
    for wanted in ["cores", "SQLite 3.", "synchronous full", "MEASURE", "p99", "1 → 5 → 1"] {
        assert!(table.contains(wanted), "no {wanted}:\n{table}");
    }
}

#[test]
fn bench_takes_its_database_from_the_command_line_alone_and_says_so() {
    let tasker = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tasker"));
        command
            .args(arguments)
            .env("DATABASE_URL", "mysql://nowhere/at_all")
            .env_remove("TASKER_CONFIG_PATH");
        command.stdin(Stdio::null()).output().unwrap()
    };
    let help = String::from_utf8(tasker(&["bench", "--help"]).stdout).unwrap();
    assert!(help.contains("--database <URL>") && !help.contains("DATABASE_URL"), "{help}");
    let memory = "sqlite::memory:";
    for arguments in [["bench", "--database", memory], ["--database", memory, "bench"]] {
        let refused = String::from_utf8(tasker(&arguments).stderr).unwrap();
        assert!(refused.contains("a database in memory is not what tasks run on"), "{refused}");
    }
}
