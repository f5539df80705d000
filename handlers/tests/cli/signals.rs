//! A signal ends every command in order, also while the database hangs.

use std::{
    io::{BufRead, BufReader, Lines, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStderr, Command, Stdio},
    sync::{
        Arc, Condvar, Mutex,
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use support::{TestDatabase, databases, fresh_postgres, fresh_sqlite};

use crate::ran::{Folder, WAITS, last_task, run, tasker};

/// A running command, and what it says.
struct Running {
    child: Child,
    says: Lines<BufReader<ChildStderr>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let says = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, says }
    }

    /// Reads until a line contains this.
    fn until(&mut self, text: &str) {
        let said = self.says.by_ref().map(Result::unwrap).find(|line| line.contains(text));
        assert!(said.is_some(), "it ended before it said `{text}`");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(sent.unwrap().success());
    }

    /// How it ends, and what else it says.
    fn end(&mut self) -> (Option<i32>, String) {
        let rest: Vec<String> = self.says.by_ref().map(Result::unwrap).collect();
        (self.child.wait().unwrap().code(), rest.join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Either fails only when the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Stands between a command and its server, and can stop passing on what they say without ending a connection.
struct Proxy {
    url: String,
    frozen: Arc<(Mutex<bool>, Condvar)>,
    connected: Receiver<()>,
}

impl Proxy {
    fn before(database: &TestDatabase) -> Self {
        let (user, rest) = database.url.rsplit_once('@').unwrap();
        let (server, name) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{user}@{}/{name}", listener.local_addr().unwrap());
        let frozen: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let (tell, connected) = mpsc::channel();
        let (server, gate) = (server.to_owned(), frozen.clone());
        thread::spawn(move || {
            for client in listener.incoming().map(Result::unwrap) {
                let server = TcpStream::connect(&server).unwrap();
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                for (from, to) in [(client, server), back] {
                    let gate = gate.clone();
                    thread::spawn(move || pass_on(from, to, &gate));
                }
                // The test may have ended.
                let _ = tell.send(());
            }
        });
        Self { url, frozen, connected }
    }

    fn freeze(&self) {
        *self.frozen.0.lock().unwrap() = true;
    }

    /// Waits until somebody has connected.
    fn connected(&self) {
        self.connected.recv().unwrap();
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, (frozen, thawed): &(Mutex<bool>, Condvar)) {
    let mut bytes = [0; 4096];
    while let Ok(read) = from.read(&mut bytes) {
        // Held for good: nobody thaws it.
        drop(thawed.wait_while(frozen.lock().unwrap(), |frozen| *frozen).unwrap());
        if read == 0 || to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    // It may be closed already.
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// `tasker` on the database at `url`, with the templates of `folder`, that waits for no handler when it stops.
fn command(database: &TestDatabase, url: &str, folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = tasker(database, arguments);
    command.args(["--templates", folder.path()]).env("DATABASE_URL", url);
    command.env("TASKER_WORKER_DRAIN_SECONDS", "0");
    command
}

#[tokio::test]
async fn run_and_resume_give_their_task_back_at_every_signal() {
    for database in databases().await {
        let folder = Folder::new();
        folder.put("waits.yaml", WAITS);
        let mut task: Option<String> = None;
        for signal in ["INT", "TERM", "HUP"] {
            let resumed = task.clone();
            let arguments = match resumed.as_deref() {
                None => ["run", "t/waits"],
                Some(task) => ["resume", task],
            };
            let mut running = Running::start(command(&database, &database.url, &folder, &arguments));
            running.until("second  ↻");
            // Doubled, as it is where somebody passes it on to a group of processes.
            running.signal(signal);
            running.signal(signal);
            let (code, said) = running.end();
            let last = last_task(&database);
            assert_eq!(code, Some(130), "{database}, {signal}: {said}");
            assert!(said.contains(&format!("try: tasker resume {last}")), "{database}, {signal}: {said}");
            assert!(!said.contains("stopped at once"), "{database}, {signal}: {said}");
            let listed = run(&database, &["list", "-o", "json"]).json();
            assert_ne!(listed[0]["state"], "in_progress", "{database}, {signal}: nobody holds it");
            let workers = run(&database, &["worker", "list", "-o", "json"]).json();
            assert_eq!(workers.as_array().map(Vec::len), Some(0), "{database}, {signal}: {workers}");
            task = Some(last);
        }
    }
}

#[tokio::test]
async fn signal_ends_what_waits_for_a_database_that_hangs() {
    let database = fresh_postgres().await;
    let folder = Folder::new();
    folder.put("waits.yaml", WAITS);
    let started = run(&database, &["list"]);
    assert_eq!(started.code, 0, "the tables are there: {}", started.err);
    let nobody = "0198c1c0-0000-7000-8000-000000000000";
    for (arguments, code) in [
        (&["list"] as &[&str], 130),
        (&["submit", "t/waits"], 130),
        (&["cancel", nobody], 130),
        (&["run", "t/waits"], 130),
        (&["resume", nobody], 130),
        (&["watch", nobody], 130),
        (&["doctor"], 130),
        // It was told to stop, and has.
        (&["serve"], 0),
    ] {
        for signal in ["INT", "TERM", "HUP"] {
            let proxy = Proxy::before(&database);
            proxy.freeze();
            let mut running = Running::start(command(&database, &proxy.url, &folder, arguments));
            proxy.connected();
            running.signal(signal);
            let (ended, said) = running.end();
            assert_eq!(ended, Some(code), "{arguments:?}, {signal}: {said}");
        }
    }
}

#[tokio::test]
async fn command_that_runs_or_watches_ends_though_the_database_hangs_since() {
    let database = fresh_postgres().await;
    let folder = Folder::new();
    folder.put("waits.yaml", WAITS);
    let task = folder.run(&database, &["submit", "t/waits"]).out;
    let mut held = Running::start(command(&database, &database.url, &folder, &["resume", task.trim()]));
    held.until("second  ↻");
    let (run, watch, serve) = (["run", "t/waits"], ["watch", task.trim()], ["serve"]);
    let cases = [(&run[..], "second  ↻", 130), (&watch, "second  ↻", 130), (&serve, "running ", 4)];
    let mut stopping: Vec<_> = cases
        .iter()
        .map(|(arguments, said, code)| {
            let proxy = Proxy::before(&database);
            let mut running = Running::start(command(&database, &proxy.url, &folder, arguments));
            running.until(said);
            proxy.freeze();
            running.signal("TERM");
            (arguments, running, *code)
        })
        .collect();
    for (arguments, running, code) in &mut stopping {
        let (ended, said) = running.end();
        assert_eq!(ended, Some(*code), "{arguments:?}: {said}");
        assert!(!said.contains("stopped at once"), "{arguments:?}: {said}");
        match arguments[0] {
            "run" => {
                assert!(said.contains("is free once its lease runs out"), "{said}");
                assert!(said.contains("try: tasker resume "), "{said}");
            }
            "watch" => assert!(said.contains(&format!("try: tasker watch {}", task.trim())), "{said}"),
            _ => assert!(said.contains("the database does not answer"), "{said}"),
        }
    }
}

#[tokio::test]
async fn signal_that_comes_later_than_two_seconds_after_the_first_ends_the_process_at_once() {
    let database = fresh_postgres().await;
    let folder = Folder::new();
    folder.put("waits.yaml", WAITS);
    let proxy = Proxy::before(&database);
    let mut running = Running::start(command(&database, &proxy.url, &folder, &["run", "t/waits"]));
    running.until("second  ↻");
    proxy.freeze();
    while running.child.try_wait().unwrap().is_none() {
        running.signal("INT");
        thread::sleep(Duration::from_millis(20));
    }
    let (code, said) = running.end();
    assert!(code == Some(130) && said.contains("stopped at once"), "{said}");
}

#[test]
fn signal_ends_a_command_that_waits_for_its_input() {
    let database = fresh_sqlite();
    for command in [
        &["run", "linear_workflow/mathematical_sequence", "--input", "-"] as &[&str],
        &["resolve", "0198c1c0-0000-7000-8000-000000000000", "a", "--result", "-"],
    ] {
        let mut waits = tasker(&database, command);
        // A warning at the start tells that signals are heard by now.
        waits.stdin(Stdio::piped()).env("TASKER_SERVICE_HOST", "x");
        let mut running = Running::start(waits);
        running.until("warning: ");
        running.signal("TERM");
        assert_eq!(running.end(), (Some(130), "error: interrupted".to_owned()), "{command:?}");
    }
}

#[test]
fn process_that_was_started_to_outlive_its_terminal_goes_on() {
    let (database, folder) = (fresh_sqlite(), Folder::new());
    folder.put("waits.yaml", &WAITS.replace("always_fail", "panic_once").replace("600000", "1"));
    let mut serve = Command::new("sh");
    serve.args([
        "-c",
        "trap '' HUP; exec \"$0\" serve --templates \"$1\"",
        env!("CARGO_BIN_EXE_tasker"),
        folder.path(),
    ]);
    serve.env("DATABASE_URL", &database.url).env_remove("TASKER_CONFIG_PATH").stdin(Stdio::null());
    let mut serve = Running::start(serve);
    serve.until("running ");
    serve.signal("HUP");
    let task = folder.run(&database, &["submit", "t/waits"]).out;
    let watched = folder.run(&database, &["watch", task.trim(), "--timeout", "60"]);
    assert_eq!(watched.code, 0, "it runs tasks as before: {}", watched.err);
    serve.signal("TERM");
    assert_eq!(serve.end().0, Some(0));
}
