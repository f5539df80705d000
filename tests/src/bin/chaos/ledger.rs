//! What the handlers of one process did: a line when an attempt starts, and one before it returns.
//!
//! Every line is one write to a file that only this process appends to, so a killed process leaves whole
//! lines behind and at most one torn one at the end. Nothing is read back by the process that writes.
//!
//! ```text
//! process PID TIME
//! start TIME TASK STEP ATTEMPT VALUE SEEN,SEEN,…
//! end TIME VALUE ok|failed
//! ```

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use tasker_runtime::prelude::*;
use uuid::Uuid;

use super::workflows::Policy;

/// Microseconds since 1970.
pub(crate) type Micros = i64;

/// What time it is.
pub(crate) fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX)
}

/// The ledger this process writes.
pub(crate) struct Ledger(File);

impl Ledger {
    /// Starts the ledger of this process.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create_new(true).append(true).open(path)?;
        file.write_all(format!("process {} {}\n", std::process::id(), now()).as_bytes())?;
        Ok(Self(file))
    }

    /// One attempt of `step`, which saw the results `seen`: notes its start, takes its time and notes what it
    /// is about to return, a value no other execution has.
    pub(crate) async fn attempt(&self, step: &TaskSequenceStep, seen: &[u64]) -> Result<u64, StepError> {
        let policy = Policy::of(step.task_id(), step.name());
        let value = fastrand::u64(..1 << 53);
        let (task, name, attempt) = (step.task_id(), step.name(), step.attempt());
        let seen: Vec<String> = seen.iter().map(u64::to_string).collect();
        self.write(&format!("start {} {task} {name} {attempt} {value} {}\n", now(), seen.join(",")))?;
        if !policy.takes.is_zero() {
            tokio::time::sleep(policy.takes).await;
        }
        let fails = attempt <= policy.failures;
        self.write(&format!("end {} {value} {}\n", now(), if fails { "failed" } else { "ok" }))?;
        if !fails {
            return Ok(value);
        }
        let error = StepError::retryable("MEANT", "this attempt is meant to fail");
        Err(match policy.delay {
            Some(delay) => error.after(delay),
            None => error,
        })
    }

    fn write(&self, line: &str) -> io::Result<()> {
        (&self.0).write_all(line.as_bytes())
    }
}

/// One execution of a step, as a ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Execution {
    /// The process that ran it.
    pub(crate) pid: u32,
    /// The task.
    pub(crate) task: Uuid,
    /// The name of the step.
    pub(crate) step: String,
    /// The attempt, from 1.
    pub(crate) attempt: u32,
    /// The value it was to return.
    pub(crate) value: u64,
    /// What it saw of the steps it depends on, in the order of the template.
    pub(crate) seen: Vec<u64>,
    /// When it started.
    pub(crate) start: Micros,
    /// When it was about to return, and whether with the value; `None`: it never came that far.
    pub(crate) end: Option<(Micros, bool)>,
}

/// Reads the ledger of one process.
///
/// # Errors
///
/// Names the line that is none, unless it is the last one and torn.
pub(crate) fn read(text: &str) -> Result<Vec<Execution>, String> {
    let mut executions: Vec<Execution> = Vec::new();
    let mut open: HashMap<u64, usize> = HashMap::new();
    let mut pid = 0;
    for line in text.split_inclusive('\n') {
        let Some(line) = line.strip_suffix('\n') else { break };
        let words: Vec<&str> = line.split(' ').collect();
        let known = match &words[..] {
            ["process", number, _] => number.parse().map(|number| pid = number).is_ok(),
            ["start", ..] => started(pid, &words).is_some_and(|execution| {
                open.insert(execution.value, executions.len());
                executions.push(execution);
                true
            }),
            ["end", time, value, outcome @ ("ok" | "failed")] => {
                let ended = value.parse().ok().and_then(|value| open.remove(&value)).zip(time.parse().ok());
                ended.is_some_and(|(place, time)| {
                    executions[place].end = Some((time, *outcome == "ok"));
                    true
                })
            }
            _ => false,
        };
        if !known {
            return Err(format!("no line of a ledger: `{line}`"));
        }
    }
    Ok(executions)
}

fn started(pid: u32, words: &[&str]) -> Option<Execution> {
    let [_, start, task, step, attempt, value, seen] = words else { return None };
    Some(Execution {
        pid,
        task: task.parse().ok()?,
        step: (*step).to_owned(),
        attempt: attempt.parse().ok()?,
        value: value.parse().ok()?,
        seen: seen.split(',').map(|value| value.parse().ok()).collect::<Option<_>>()?,
        start: start.parse().ok()?,
        end: None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LINES: &str = "process 7 100\n\
        start 110 00000000-0000-0000-0000-000000000001 diamond_end 2 55 41,42\n\
        start 111 00000000-0000-0000-0000-000000000002 linear_1 1 56 9\n\
        end 120 55 ok\n";

    #[test]
    fn executions_are_read_with_and_without_an_end() {
        let read = read(LINES).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].pid, read[0].attempt, &*read[0].seen), (7, 2, &[41, 42][..]));
        assert_eq!((read[0].end, read[1].end), (Some((120, true)), None));
    }

    #[test]
    fn only_the_last_line_may_be_torn() {
        assert_eq!(read(&format!("{LINES}end 1")).unwrap().len(), 2);
        assert!(read(&format!("{LINES}end 1\nend 125 56 ok\n")).is_err());
        assert!(read(&format!("{LINES}end 125 57 ok\n")).unwrap_err().contains("57"));
    }
}
