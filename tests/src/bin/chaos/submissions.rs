//! Submits tasks all the time and keeps the log of what was acknowledged.
//!
//! ```text
//! try NUMBER WORKFLOW
//! ack NUMBER TASK
//! ```
//!
//! A line `try` is written before the call, `ack` after it returned. Without `ack`, nobody knows whether the
//! task is there, unless a key was used: then the call is made until it is acknowledged.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;
use tasker_runtime::{Tasker, api::Submission};
use uuid::Uuid;

use super::{
    Outcome,
    database::Database,
    faults::Chaos,
    fleet::{LEDGER, SUBMITS},
    workflows::{Workflow, submitted},
};

/// One submission, as the log has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Submitted {
    /// The workflow.
    pub(crate) workflow: String,
    /// The task, if the call was acknowledged.
    pub(crate) task: Option<Uuid>,
}

/// Reads the log, by the numbers of the submissions.
pub(crate) fn read(text: &str) -> Result<BTreeMap<u64, Submitted>, String> {
    let mut all: BTreeMap<u64, Submitted> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let known = match &words[..] {
            ["try", number, workflow] => number.parse().ok().map(|number| {
                all.insert(number, Submitted { workflow: (*workflow).to_owned(), task: None });
            }),
            ["ack", number, task] => number.parse().ok().and_then(|number: u64| {
                all.get_mut(&number)?.task = Some(task.parse().ok()?);
                Some(())
            }),
            _ => None,
        };
        known.ok_or_else(|| format!("no line of the submissions: `{line}`"))?;
    }
    Ok(all)
}

#[derive(Serialize)]
struct Job {
    n: u64,
}

/// Submits until it is told to stop.
pub(crate) struct Load {
    pub(crate) tasker: Tasker,
    pub(crate) database: Database,
    pub(crate) random: fastrand::Rng,
    /// Tasks per second at most.
    pub(crate) rate: u32,
    /// Without more submissions while so many tasks are open.
    pub(crate) most: u64,
    /// Says which processes that submit are to be killed.
    pub(crate) chaos: Chaos,
    pub(crate) stop: Arc<AtomicBool>,
    /// How long a process lives at most that is killed while it submits.
    pub(crate) life: Duration,
}

/// The bounds of that.
const LIVES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_secs(2));

impl Load {
    /// Submits in every way there is and writes the log to `path`.
    ///
    /// # Errors
    ///
    /// When the log cannot be written. What the database refuses is tried again or left in doubt.
    pub(crate) async fn run(mut self, path: &Path) -> Outcome<()> {
        let mut log = Log { file: OpenOptions::new().create_new(true).append(true).open(path)?, next: 1 };
        let start = Instant::now();
        let mut looked = Instant::now();
        let mut full = false;
        while !self.stop.load(Ordering::Relaxed) || self.chaos.submitters.load(Ordering::Relaxed) > 0 {
            if looked.elapsed() > Duration::from_millis(200) {
                full = self.database.open().await.is_ok_and(|open| open > self.most);
                looked = Instant::now();
            }
            let ahead =
                log.next.saturating_sub(1) as f64 / f64::from(self.rate) - start.elapsed().as_secs_f64();
            if full || ahead > 0.0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            let killed = |left: u32| left.checked_sub(1);
            if self.chaos.submitters.fetch_update(Ordering::Relaxed, Ordering::Relaxed, killed).is_ok() {
                self.killed(&mut log).await?;
                continue;
            }
            match self.random.u32(..10) {
                0..4 => self.one(&mut log).await?,
                4..6 => self.with_key(&mut log).await?,
                _ => self.many(&mut log).await?,
            }
        }
        Ok(())
    }

    fn next(&mut self, log: &mut Log) -> Outcome<(u64, Submission)> {
        let workflow = &submitted()[self.random.usize(..submitted().len())];
        let number = log.attempt(workflow)?;
        Ok((number, Submission::to(workflow.full_name()).context(&Job { n: number })?))
    }

    async fn one(&mut self, log: &mut Log) -> Outcome<()> {
        let (number, submission) = self.next(log)?;
        if let Ok(task) = self.tasker.submit(submission).await {
            log.acknowledged(number, task)?;
        }
        Ok(())
    }

    async fn many(&mut self, log: &mut Log) -> Outcome<()> {
        let mut numbers = Vec::new();
        let mut submissions = Vec::new();
        for _ in 0..self.random.usize(1..=12) {
            let (number, submission) = self.next(log)?;
            numbers.push(number);
            submissions.push(submission);
        }
        if let Ok(tasks) = self.tasker.submit_all(submissions).await {
            for (number, task) in numbers.into_iter().zip(tasks) {
                log.acknowledged(number, task)?;
            }
        }
        Ok(())
    }

    /// A process of its own submits, and is killed at some moment before, while or after it does.
    async fn killed(&mut self, log: &mut Log) -> Outcome<()> {
        let workflow = &submitted()[self.random.usize(..submitted().len())];
        let number = log.attempt(workflow)?;
        let context = serde_json::to_string(&Job { n: number })?;
        let mut submit = Command::new(std::env::current_exe()?);
        submit.args(["submit", &workflow.full_name(), "--input", &context]);
        submit.env("DATABASE_URL", &self.chaos.url).env(LEDGER, SUBMITS).env("NO_COLOR", "1");
        let mut submit = submit.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        tokio::time::sleep(self.life.mul_f64(0.5 + 0.5 * self.random.f64())).await;
        let running = submit.try_wait()?.is_none();
        // How long it takes depends on store, machine and load: it is killed about when it would end.
        self.life = self.life.mul_f64(if running { 1.1 } else { 0.75 }).clamp(LIVES.0, LIVES.1);
        // Fails only when it has ended by now.
        let _ = submit.kill();
        self.chaos.count_submitter(running);
        let output = submit.wait_with_output()?;
        if let Ok(task) = String::from_utf8_lossy(&output.stdout).trim().parse() {
            log.acknowledged(number, task)?;
        }
        Ok(())
    }

    async fn with_key(&mut self, log: &mut Log) -> Outcome<()> {
        let (number, submission) = self.next(log)?;
        let submission = submission.idempotency_key(number.to_string());
        for _ in 0..100 {
            if let Ok(task) = self.tasker.submit(submission.clone()).await {
                return log.acknowledged(number, task);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("submission {number} was refused again and again").into())
    }
}

struct Log {
    file: File,
    next: u64,
}

impl Log {
    fn attempt(&mut self, workflow: &Workflow) -> Outcome<u64> {
        let number = self.next;
        self.next += 1;
        self.file.write_all(format!("try {number} {}\n", workflow.name).as_bytes())?;
        Ok(number)
    }

    fn acknowledged(&mut self, number: u64, task: Uuid) -> Outcome<()> {
        Ok(self.file.write_all(format!("ack {number} {task}\n").as_bytes())?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn submissions_in_doubt_have_no_task() {
        let read = read("try 1 tree\ntry 2 linear\nack 2 00000000-0000-0000-0000-000000000009\n").unwrap();
        assert_eq!((&*read[&1].workflow, read[&1].task), ("tree", None));
        assert_eq!(read[&2].task, Some(Uuid::from_u128(9)));
    }

    #[test]
    fn what_is_no_line_of_the_log_is_refused() {
        assert!(read("ack 1 00000000-0000-0000-0000-000000000009\n").is_err());
        assert!(read("try one tree\n").is_err());
    }
}
