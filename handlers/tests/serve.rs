//! `tasker serve` waits for a database that is away, and for nothing else.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader, Lines},
    net::SocketAddr,
    process::{Child, ChildStderr, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use support::{cluster::Cluster, fresh_on, http};

/// Nobody listens there.
const NOWHERE: &str = "postgres://tasker@127.0.0.1:1/tasker";

/// A process that serves, and what it says.
struct Server {
    child: Child,
    says: Lines<BufReader<ChildStderr>>,
}

impl Server {
    fn start(url: &str) -> Self {
        Self::with(url, &[])
    }

    /// With settings of its own, as variables.
    fn with(url: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tasker"));
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).arg("serve");
        command.env("DATABASE_URL", url).env_remove("TASKER_CONFIG_PATH").env_remove("RUST_LOG");
        command.envs(settings.iter().copied());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let says = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, says }
    }

    fn next(&mut self) -> String {
        self.says.next().map(Result::unwrap).unwrap_or_default()
    }

    fn signal(&self, name: &str) {
        let sent =
            Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
        assert!(sent.success());
    }

    /// How it ends, and what else it says.
    fn end(&mut self) -> (Option<i32>, Vec<String>) {
        let rest = self.says.by_ref().map(Result::unwrap).collect();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either fails only when the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn serve_waits_for_a_database_that_is_away_and_starts_once_it_answers() {
    let mut cluster = Cluster::start(false).unwrap();
    let database = fresh_on(cluster.url()).await;
    cluster.crash().unwrap();
    let mut server = Server::start(&database.url);
    let line = server.next();
    assert!(line.starts_with("waiting for postgres://tasker:***@127.0.0.1:"), "{line}");
    assert!(line.contains("the database does not answer") && !line.contains(&database.url), "{line}");
    cluster.restart().unwrap();
    let line = server.next();
    assert!(line.starts_with("running "), "it says once that it waits: {line}");
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn signal_ends_the_waiting_as_it_ends_the_running() {
    for signal in ["INT", "TERM"] {
        let mut server = Server::start(NOWHERE);
        assert!(server.next().contains("the database does not answer"));
        server.signal(signal);
        assert_eq!(server.end(), (Some(0), Vec::new()), "{signal}");
    }
}

#[test]
fn serve_waits_for_nothing_that_no_waiting_mends() {
    let cluster = Cluster::start(false).unwrap();
    let (scheme, rest) = cluster.url().split_once("tasker:").unwrap();
    let (_, place) = rest.split_once('@').unwrap();
    for (url, code, message) in [
        (format!("{scheme}tasker:wrong@{place}"), 4, "password authentication failed"),
        (cluster.url().replace("/postgres", "/nowhere"), 4, "database \"nowhere\" does not exist"),
        ("mysql://host/database".to_owned(), 2, "is not a database URL"),
        ("sqlite:///nowhere/at/all.db".to_owned(), 4, "there is no folder /nowhere/at"),
    ] {
        let (ended, said) = Server::start(&url).end();
        assert_eq!(ended, Some(code), "{url}: {said:?}");
        assert!(said.first().is_some_and(|line| line.starts_with("error: ") && line.contains(message)));
    }
}

#[test]
fn templates_with_mistakes_end_serve_before_any_waiting() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mistaken.yaml"), "name: mistaken\nversion: one\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tasker"));
    command.args(["serve", "--database", NOWHERE, "--templates"]).arg(folder.path());
    let ended = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(ended.status.code(), Some(2), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// Where a server says that it serves.
fn address(server: &mut Server) -> SocketAddr {
    loop {
        let line = server.next();
        assert!(!line.is_empty(), "it ended without a word of an address");
        if let Some(address) = line.strip_prefix("serving http://") {
            return address.parse().unwrap();
        }
    }
}

const LISTEN: &str = "TASKER_SERVER_LISTEN";

#[tokio::test]
async fn serve_runs_tasks_and_serves_them_until_it_is_told_to_stop() {
    for database in support::databases().await {
        let mut server = Server::with(&database.url, &[(LISTEN, "127.0.0.1:0")]);
        let address = address(&mut server);
        let answer = http::send(address, "POST /v1/tasks", &[("prefer", "wait=30")], ORDER).await;
        assert_eq!(
            (answer.status, &answer.json()["state"]),
            (200, &"complete".into()),
            "{database}: {answer:?}"
        );
        server.signal("TERM");
        let (ended, said) = server.end();
        assert_eq!(ended, Some(0), "{database}: {said:?}");
        assert!(said.iter().any(|line| line.starts_with("stopping")), "{said:?}");
    }
}

#[test]
fn address_that_was_asked_for_and_cannot_be_had_ends_serve() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let database = support::fresh_sqlite();
    for (listen, code, says) in [
        (&*address, 1, &*format!("server.listen: another program listens on {address} already")),
        ("0.0.0.0:0", 2, "can be reached from other machines"),
        ("nowhere", 2, "is not an address to listen on"),
    ] {
        let (ended, said) = Server::with(&database.url, &[(LISTEN, listen)]).end();
        assert_eq!(ended, Some(code), "{listen}: {said:?}");
        assert!(said[0].contains(says) && said[1].starts_with("try: "), "{listen}: {said:?}");
    }
    let mut server = Server::with(&database.url, &[(LISTEN, "off")]);
    assert!(server.next().starts_with("running "));
    server.signal("TERM");
    let (ended, said) = server.end();
    assert!(ended == Some(0) && !said.iter().any(|line| line.contains("serving")), "{said:?}");
}

#[tokio::test]
async fn serve_is_there_for_other_machines_once_there_is_a_key() {
    for database in support::databases().await {
        let exposed = [(LISTEN, "0.0.0.0:0")];
        let (ended, said) = Server::with(&database.url, &exposed).end();
        assert_eq!(ended, Some(2), "{database}: {said:?}");
        assert!(said[1].contains("key create NAME --role operator --expires 90d"), "{database}: {said:?}");
        let mut make = Command::new(env!("CARGO_BIN_EXE_tasker"));
        make.args(["key", "create", "ops", "--role", "operator", "--never"])
            .env("DATABASE_URL", &database.url);
        make.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).env_remove("TASKER_CONFIG_PATH");
        let made = make.stdin(Stdio::null()).output().unwrap();
        let key = String::from_utf8(made.stdout).unwrap();
        let mut server = Server::with(&database.url, &exposed);
        let here = SocketAddr::from(([127, 0, 0, 1], address(&mut server).port()));
        let stranger = http::send(here, "POST /v1/tasks", &[], ORDER).await;
        assert_eq!(stranger.problem(), (401, "no_credentials".to_owned()), "{database}");
        let headers = [("prefer", "wait=30"), ("x-api-key", key.trim())];
        let answer = http::send(here, "POST /v1/tasks", &headers, ORDER).await;
        assert_eq!((answer.status, &answer.json()["state"]), (200, &"complete".into()), "{answer:?}");
        server.signal("TERM");
        let (ended, said) = server.end();
        assert!(ended == Some(0) && !said.iter().any(|line| line.contains(key.trim())), "{said:?}");
    }
}

#[test]
fn several_serve_on_one_machine_without_settings() {
    // Whoever has it, this test or another program.
    let _taken = std::net::TcpListener::bind("127.0.0.1:8081");
    let database = support::fresh_sqlite();
    let mut server = Server::with(&database.url, &[]);
    assert!(server.next().starts_with("running "));
    let warning = server.next();
    assert!(warning.contains("another program listens on 127.0.0.1:8081 already"), "{warning}");
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
}

const ORDER: &str = r#"{"template": "mathematical_sequence", "context": {"even_number": 6}}"#;

/// Submits tasks, each with a key of its own, until the server is gone: which were acknowledged, and the key that has
/// no answer yet. It begins with the one that has none from before.
async fn submit(
    address: SocketAddr,
    client: String,
    first: Option<String>,
    count: Arc<AtomicUsize>,
) -> (Vec<(String, String)>, String) {
    let (mut acknowledged, mut open) = (Vec::new(), first);
    for number in 0.. {
        let key = open.take().unwrap_or_else(|| format!("{client}-{number}"));
        let sent = http::try_send(address, "POST /v1/tasks", &[("idempotency-key", &key)], ORDER).await;
        let Some(answer) = sent else { return (acknowledged, key) };
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        acknowledged.push((key, answer.json()["task_id"].to_string()));
        count.fetch_add(1, Ordering::Relaxed);
    }
    unreachable!("it submits until the server is gone")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_serve_has_added_each_task_it_acknowledged_once() {
    let kills = if support::quick() { 3 } else { 12 };
    for database in support::databases().await {
        let (mut acknowledged, mut open) = (Vec::new(), vec![None; 8]);
        for round in 0..kills {
            let mut server = Server::with(&database.url, &[(LISTEN, "127.0.0.1:0")]);
            let address = address(&mut server);
            let count = Arc::new(AtomicUsize::new(0));
            let clients: Vec<_> = open
                .drain(..)
                .enumerate()
                .map(|(n, first)| tokio::spawn(submit(address, format!("{round}-{n}"), first, count.clone())))
                .collect();
            let enough = 20 + round * 7;
            let look = || async { (count.load(Ordering::Relaxed) >= enough).then_some(()) };
            support::world::eventually("enough submissions", look).await;
            server.signal("KILL");
            for client in clients {
                let (told, left) = client.await.unwrap();
                acknowledged.extend(told);
                open.push(Some(left));
            }
        }
        let mut server = Server::with(&database.url, &[(LISTEN, "127.0.0.1:0")]);
        let address = address(&mut server);
        for key in open.into_iter().flatten() {
            let answer = http::send(address, "POST /v1/tasks", &[("idempotency-key", &key)], ORDER).await;
            acknowledged.push((key, answer.json()["task_id"].to_string()));
        }
        assert!(acknowledged.len() > kills * 20, "{database}: {}", acknowledged.len());
        for (key, task) in &acknowledged {
            let answer = http::send(address, "POST /v1/tasks", &[("idempotency-key", key)], ORDER).await;
            assert_eq!(answer.header("idempotent-replayed"), Some("true"), "{database}: {key}: {answer:?}");
            assert_eq!(answer.json()["task_id"].to_string(), *task, "{database}: {key}");
        }
        // What was in the hands of five that were killed is set aside, and goes on when an operator says so.
        let none_open = || async {
            let open = http::send(address, "GET /v1/tasks?open=true&limit=1", &[], "").await.json();
            let Some(task) = open["items"].get(0) else {
                return open.get("next_cursor").is_none().then_some(());
            };
            if task["cause"].as_str().is_some_and(|cause| cause.starts_with("set aside: ")) {
                let retry = format!("POST /v1/tasks/{}/retry", task["task_id"].as_str().unwrap());
                assert_eq!(http::send(address, &retry, &[], "{}").await.status, 200, "{database}: {task}");
            }
            None
        };
        support::world::eventually("all tasks to be over", none_open).await;
        server.signal("TERM");
        assert_eq!(server.end().0, Some(0), "{database}");
        let tasks = support::world::World::on(database).count("select count(*) from tasker.tasks").await;
        assert_eq!(tasks, acknowledged.len() as u64);
    }
}
