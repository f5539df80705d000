//! Processes of the benchmark's own: the same program again, running an engine and nothing else.
//!
//! The first line a child reads is the URL of its database, which belongs on no command line; after that
//! it answers each line with a line. It ends with its standard input, so none outlives the benchmark.

use std::{
    io::{BufRead, BufReader, Write, stdin},
    process::{Child as Started, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::task::block_in_place;

use super::{
    machine, scratch,
    workflows::{self, FanOut},
};
use crate::{
    api::{Stats, Tasker},
    cli::{Done, Failure, Form, output},
};

/// What a child did and uses, as it says itself.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(super) struct Report {
    /// Handlers it called.
    pub calls: u64,
    /// Results it recorded for tasks it held.
    pub results: u64,
    pub failures: u64,
    /// Statements it sent to the database.
    pub statements: u64,
    pub resident_mib: Option<f64>,
    pub peak_mib: Option<f64>,
}

impl Report {
    fn of(stats: Stats) -> Self {
        Self {
            calls: workflows::calls(),
            results: stats.results,
            failures: stats.failures,
            statements: stats.statements,
            resident_mib: machine::resident_mib(),
            peak_mib: machine::peak_mib(),
        }
    }
}

/// A child process. It is killed when this is dropped.
pub(super) struct Child {
    process: Started,
    /// Closing it is what ends the process in order.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Child {
    /// Starts a process that has the database at `url` open and runs nothing yet.
    pub(super) fn spawn(url: &str, fan_out: Option<FanOut>) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(Failure::run)?;
        let mut command = Command::new(program);
        command.args(["bench", "--child"]);
        if let Some(FanOut { width, slow }) = fan_out {
            command.arg("--fan-out").arg(width.to_string()).args(slow.then_some("--slow"));
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|error| {
            Failure::run(format!("the benchmark cannot start itself as another process: {error}"))
        })?;
        let (Some(commands), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Failure::run("a process of the benchmark has no pipes"));
        };
        let mut child = Self { process, commands: Some(commands), answers: BufReader::new(answers) };
        child.tell(url)?;
        child.answer()?;
        Ok(child)
    }

    /// Lets it start its engine, without waiting for it.
    pub(super) fn start(&mut self) -> Done {
        self.tell("start")
    }

    /// Asks how far it is.
    pub(super) fn report(&mut self) -> Result<Report, Failure> {
        self.tell("report")?;
        self.answer()
    }

    /// Lets it end in order, so that it counts as a living worker no more.
    pub(super) fn stop(mut self) -> Done {
        drop(self.commands.take());
        block_in_place(|| self.process.wait()).map(drop).map_err(Failure::run)
    }

    fn tell(&mut self, line: &str) -> Done {
        let Some(commands) = &mut self.commands else { return Ok(()) };
        let told = block_in_place(|| writeln!(commands, "{line}").and_then(|()| commands.flush()));
        told.map_err(|error| Failure::run(format!("a process of the benchmark is gone: {error}")))
    }

    /// The next line it says.
    pub(super) fn answer(&mut self) -> Result<Report, Failure> {
        let mut line = String::new();
        block_in_place(|| self.answers.read_line(&mut line)).map_err(Failure::run)?;
        serde_json::from_str(&line)
            .map_err(|_| Failure::run("a process of the benchmark ended too early; it said why above"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that is gone already cannot be killed; either way it is taken off the system's list.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks all children every few milliseconds until `done` says so of their reports; fails when nothing
/// moves for a minute or a step failed.
pub(super) async fn until(
    children: &mut [Child],
    mut done: impl AsyncFnMut(&[Report]) -> Result<bool, Failure>,
) -> Result<Vec<Report>, Failure> {
    let (mut last, mut since) = (0, tokio::time::Instant::now());
    loop {
        let reports = children.iter_mut().map(Child::report).collect::<Result<Vec<_>, _>>()?;
        if done(&reports).await? {
            return Ok(reports);
        }
        let calls = reports.iter().map(|report| report.calls + report.results).sum();
        if calls != last {
            (last, since) = (calls, tokio::time::Instant::now());
        }
        if since.elapsed() > super::PATIENCE || reports.iter().any(|report| report.failures > 0) {
            return Err(Failure::run(format!(
                "the processes of the benchmark do not come to an end: {reports:?}"
            )));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What a child does.
pub(super) async fn serve(fan_out: Option<FanOut>) -> Done {
    let Some(url) = next_line()? else { return Ok(()) };
    let store = scratch::open(&url).await?;
    say(Stats::default())?;
    let mut tasker: Option<Tasker> = None;
    while let Some(line) = next_line()? {
        if line == "start" {
            tasker = Some(workflows::builder(store.clone(), fan_out).start().await?);
        }
        say(tasker.as_ref().map(Tasker::stats).unwrap_or_default())?;
    }
    match tasker {
        Some(tasker) => Ok(tasker.stop().await?),
        None => Ok(()),
    }
}

fn next_line() -> Result<Option<String>, Failure> {
    let mut line = String::new();
    let read = block_in_place(|| stdin().lock().read_line(&mut line)).map_err(Failure::run)?;
    Ok((read > 0).then(|| line.trim().to_owned()))
}

fn say(stats: Stats) -> Done {
    output::json(&Report::of(stats), Form::Jsonl)
}
