//! Runs the binary and keeps what it left behind.

use std::{
    os::unix::process::CommandExt,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use support::TestDatabase;

/// A template whose second step fails and is tried again long after any test has ended.
pub(crate) const WAITS: &str = "\
name: waits
namespace: t
steps:
  - { name: first, handler: { callable: fail_n_times, initialization: { fail_count: 0 } } }
  - name: second
    handler: always_fail
    depends_on: [first]
    retry: { max_attempts: 2, backoff: linear, backoff_base_ms: 600000, max_backoff_ms: 600000 }
";

/// `tasker` on this database, with the examples.
pub(crate) fn tasker(database: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tasker"));
    // As one that is found by its name, and which cargo has nothing to do with.
    command.arg0("tasker").env_remove("CARGO");
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args(arguments);
    command.env("DATABASE_URL", &database.url).env_remove("TASKER_CONFIG_PATH").env_remove("RUST_LOG");
    command.stdin(Stdio::null());
    command
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    /// The one JSON document on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {:?} {}", self.out, self.err))
    }

    /// Failed with this code, nothing on standard output, and on standard error a way out at the end.
    pub(crate) fn failed(&self, code: i32, message: &str, hint: &str) {
        assert_eq!((self.code, &*self.out), (code, ""), "{}", self.err);
        let lines: Vec<&str> = self.err.lines().collect();
        assert!(
            lines.iter().any(|line| line.starts_with("error: ") && line.contains(message)),
            "{}",
            self.err
        );
        assert_eq!(lines.last().copied(), Some(&*format!("try: {hint}")), "{}", self.err);
    }
}

pub(crate) fn run(database: &TestDatabase, arguments: &[&str]) -> Ran {
    tasker(database, arguments).output().unwrap().into()
}

/// The newest task.
pub(crate) fn last_task(database: &TestDatabase) -> String {
    run(database, &["list", "-o", "json"]).json()[0]["task_id"].as_str().unwrap().to_owned()
}

/// A folder of templates of a test's own.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn put(&self, file: &str, text: &str) -> String {
        let path = self.0.path().join(file);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.0.path().join(file)).unwrap();
    }

    pub(crate) fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    /// These arguments, with the templates of this folder and no others.
    pub(crate) fn run(&self, database: &TestDatabase, arguments: &[&str]) -> Ran {
        let ours = ["--templates", self.path()];
        run(database, &[arguments, &ours].concat())
    }
}
