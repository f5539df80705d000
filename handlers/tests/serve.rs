//! `tasker serve` waits for a database that is away, and for nothing else.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader, Lines},
    process::{Child, ChildStderr, Command, Stdio},
};

use support::{cluster::Cluster, fresh_on};

/// Nobody listens there.
const NOWHERE: &str = "postgres://tasker@127.0.0.1:1/tasker";

/// A process that serves, and what it says.
struct Server {
    child: Child,
    says: Lines<BufReader<ChildStderr>>,
}

impl Server {
    fn start(url: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tasker"));
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).arg("serve");
        command.env("DATABASE_URL", url).env_remove("TASKER_CONFIG_PATH").env_remove("RUST_LOG");
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
