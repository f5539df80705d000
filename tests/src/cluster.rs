//! A private PostgreSQL server.
//!
//! The script `tests/private-postgres` finds the binaries, starts the server and watches over it: the
//! server lives as long as the pipe to the script, so nothing is left behind even if the process that
//! asked for it is killed.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/private-postgres");

/// A running server. Dropping it stops the server and removes its directory.
pub struct Cluster {
    url: String,
    // Taken by `drop`: closing it is what stops the server.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    script: Child,
}

impl Cluster {
    /// Starts a server with `fsync` on or off, on a free loopback port.
    ///
    /// Off is faster and fine where the server is never stopped hard; crash tests and benchmarks need it on.
    ///
    /// # Errors
    ///
    /// One sentence that says what is missing and how to get it.
    pub fn start(fsync: bool) -> Result<Self, String> {
        Self::spawn(Command::new(SCRIPT).env("TASKER_TEST_FSYNC", if fsync { "on" } else { "off" }))
    }

    /// Runs the script as `command` has it prepared.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    fn spawn(command: &mut Command) -> Result<Self, String> {
        // A group of its own: what kills the tests as a group must not reach the one who cleans up.
        let mut script = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot run {SCRIPT}: {error}"))?;
        let (Some(commands), Some(answers)) = (script.stdin.take(), script.stdout.take()) else {
            return Err(format!("{SCRIPT} has no pipes"));
        };
        let mut cluster =
            Self { url: String::new(), commands: Some(commands), answers: BufReader::new(answers), script };
        cluster.url = cluster.answer()?;
        Ok(cluster)
    }

    /// The URL of a role that may create databases and is no superuser, on the database `postgres`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server as a power cut would: nothing is flushed, every connection breaks.
    ///
    /// # Errors
    ///
    /// What `pg_ctl` said, when the server is not running for one.
    pub fn crash(&mut self) -> Result<(), String> {
        self.command("crash")
    }

    /// Starts the server again, on the same port, after [`crash`](Self::crash).
    ///
    /// # Errors
    ///
    /// The last line of the server's log.
    pub fn restart(&mut self) -> Result<(), String> {
        self.command("start")
    }

    fn command(&mut self, command: &str) -> Result<(), String> {
        if let Some(commands) = &mut self.commands {
            writeln!(commands, "{command}").map_err(|error| format!("{SCRIPT} has ended: {error}"))?;
        }
        self.answer().map(drop)
    }

    /// The next line of the script, or what comes after `error: `.
    fn answer(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|error| format!("{SCRIPT} gave no answer: {error}"))?;
        match line.trim_end().split_once("error: ") {
            Some((_, why)) => Err(why.to_owned()),
            None if line.is_empty() => Err(format!("{SCRIPT} ended without an answer")),
            None => Ok(line.trim_end().to_owned()),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.commands.take();
        // Nothing to do about a failure here: the script has ended either way.
        let _ = self.script.wait();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn without_a_server_one_sentence_says_what_to_install() {
        let mut command = Command::new(SCRIPT);
        let why = Cluster::spawn(command.env("TASKER_TEST_POSTGRES_BIN", "/nowhere")).err().unwrap();
        assert!(why.starts_with("no PostgreSQL server found: install it"), "{why}");
        assert!(why.contains("apt-get install postgresql"), "{why}");
    }

    #[test]
    fn unknown_command_is_refused() {
        let mut cluster = Cluster::start(false).unwrap();
        let why = cluster.command("dance").unwrap_err();
        assert_eq!(why, "unknown command `dance`: crash and start are known");
    }
}
