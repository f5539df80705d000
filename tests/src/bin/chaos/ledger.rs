//! What the handlers of one process did: a line when an attempt starts, and one before it returns.
//!
//! Every line is one write to a file that only this process appends to, so a killed process leaves whole
//! lines behind and at most one torn one at the end. Nothing is read back by the process that writes.
//!
//! ```text
//! process PID TIME
//! start TIME VALUE TASK STEP ATTEMPT SEEN,SEEN,…
//! loaded TIME VALUE CURSOR BY
//! saving TIME VALUE CURSOR
//! saved TIME VALUE CURSOR
//! end TIME VALUE ok|failed
//! heard TIME TASK SEQUENCE
//! ```
//!
//! VALUE is what the execution is to return and names it: no other has the same. BY is the value of the
//! execution that saved what was loaded; without a checkpoint, it and the cursor are `-`.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Write},
    ops::Range,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tasker_runtime::prelude::*;
use uuid::Uuid;

use super::{
    course::label,
    policy::{Policy, STRIDE},
};

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
    pub(crate) async fn attempt(
        &self,
        step: &TaskSequenceStep,
        seen: &[Option<u64>],
    ) -> Result<u64, StepError> {
        let policy = Policy::of(step.task_id(), &label(step.name()));
        let value = self.start(step, seen)?;
        take(policy.takes).await;
        self.end(step, policy, value)
    }

    /// One round of a step that goes round, of which `last` is what the one before it left. It stands in the ledger as an
    /// attempt of the number of the round, and what was left as a checkpoint.
    pub(crate) async fn round(
        &self,
        step: &TaskSequenceStep,
        seen: u64,
        last: &Round<Option<u64>>,
    ) -> Result<u64, StepError> {
        let policy = Policy::of(step.task_id(), step.name());
        let value = self.begin(step, last.number(), &[Some(seen)])?;
        let before = last.map(|_| u64::from(last.number()) - 1);
        self.write(&format!("loaded {} {value} {} {}\n", now(), written(before), written(**last)))?;
        take(policy.takes).await;
        self.write(&format!("end {} {value} ok\n", now()))?;
        Ok(value)
    }

    /// One attempt of a batch: goes on from where an earlier one was saved, and saves its own progress.
    pub(crate) async fn batch(
        &self,
        step: &TaskSequenceStep,
        slice: Range<u64>,
        progress: &Checkpoint<u64>,
    ) -> Result<u64, StepError> {
        let policy = Policy::of(step.task_id(), step.name());
        let value = self.start(step, &[Some(slice.start), Some(slice.end)])?;
        let saved = progress.load().await?;
        let (cursor, by) =
            saved.as_ref().map_or((None, None), |saved| (Some(saved.cursor), Some(saved.partial)));
        self.write(&format!("loaded {} {value} {} {}\n", now(), written(cursor), written(by)))?;
        if let Some(saved) = saved.filter(|saved| saved.cursor - slice.start != saved.items) {
            let message = format!("{} items are done before {}", saved.items, saved.cursor);
            return Err(StepError::permanent("TORN_CHECKPOINT", message));
        }
        let mut at = cursor.unwrap_or(slice.start);
        while at + STRIDE < slice.end {
            take(policy.takes / 3).await;
            at += STRIDE;
            self.write(&format!("saving {} {value} {at}\n", now()))?;
            progress.save(at, at - slice.start, value).await?;
            self.write(&format!("saved {} {value} {at}\n", now()))?;
        }
        take(policy.takes / 3).await;
        self.end(step, policy, value)
    }

    /// An event of the task with this number was heard.
    pub(crate) fn heard(&self, task: Uuid, sequence: u32) -> io::Result<()> {
        self.write(&format!("heard {} {task} {sequence}\n", now()))
    }

    fn start(&self, step: &TaskSequenceStep, seen: &[Option<u64>]) -> io::Result<u64> {
        self.begin(step, step.attempt(), seen)
    }

    fn begin(&self, step: &TaskSequenceStep, attempt: u32, seen: &[Option<u64>]) -> io::Result<u64> {
        let value = fastrand::u64(..1 << 53);
        let (task, name) = (step.task_id(), label(step.name()));
        let seen: Vec<String> = seen.iter().copied().map(written).collect();
        self.write(&format!("start {} {value} {task} {name} {attempt} {}\n", now(), seen.join(",")))?;
        Ok(value)
    }

    fn end(&self, step: &TaskSequenceStep, policy: Policy, value: u64) -> Result<u64, StepError> {
        let fails = step.attempt() <= policy.failures;
        let outcome = if fails || policy.doomed { "failed" } else { "ok" };
        self.write(&format!("end {} {value} {outcome}\n", now()))?;
        match (fails, policy.doomed) {
            (false, false) => Ok(value),
            (false, true) => Err(StepError::permanent("DOOMED", "this step is meant to fail for good")),
            (true, _) => {
                let error = StepError::retryable("MEANT", "this attempt is meant to fail");
                Err(match policy.delay {
                    Some(delay) => error.after(delay),
                    None => error,
                })
            }
        }
    }

    fn write(&self, line: &str) -> io::Result<()> {
        (&self.0).write_all(line.as_bytes())
    }
}

async fn take(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn written(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// What an execution of a batch loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) time: Micros,
    /// From where, and which execution saved it; `None`: there was no checkpoint.
    pub(crate) from: Option<(u64, u64)>,
}

/// What an execution of a batch saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Save {
    pub(crate) cursor: u64,
    /// When it was first asked for.
    pub(crate) asked: Micros,
    /// When it was acknowledged, if it was.
    pub(crate) acknowledged: Option<Micros>,
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
    /// What it saw of the steps it depends on, in the order of the template; of a batch, where it starts and
    /// ends.
    pub(crate) seen: Vec<Option<u64>>,
    /// The checkpoint it found, if it looked for one.
    pub(crate) loaded: Option<Loaded>,
    /// The checkpoints it left.
    pub(crate) saves: Vec<Save>,
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
            ["process", number, _] => number.parse().map(|number| pid = number).ok(),
            ["heard", ..] => heard_in(&words).map(drop),
            ["start", time, value, rest @ ..] => started(pid, time, value, rest).map(|execution| {
                open.insert(execution.value, executions.len());
                executions.push(execution);
            }),
            [what, time, value, rest @ ..] => {
                let place = value.parse().ok().and_then(|value| open.get(&value));
                let execution = place.and_then(|place| executions.get_mut(*place));
                execution
                    .zip(time.parse().ok())
                    .and_then(|(execution, time)| went_on(execution, what, time, rest))
            }
            _ => None,
        };
        if known.is_none() {
            return Err(format!("no line of a ledger: `{line}`"));
        }
    }
    Ok(executions)
}

/// An event that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) task: Uuid,
    pub(crate) sequence: u32,
    pub(crate) time: Micros,
}

/// The events that were heard, by the ledger of one process.
pub(crate) fn heard(text: &str) -> Vec<Heard> {
    let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    whole.filter_map(|line| heard_in(&line.split(' ').collect::<Vec<_>>())).collect()
}

fn heard_in(words: &[&str]) -> Option<Heard> {
    let ["heard", time, task, sequence] = words else { return None };
    Some(Heard { task: task.parse().ok()?, sequence: sequence.parse().ok()?, time: time.parse().ok()? })
}

/// A number, or nothing where `-` stands for it.
fn number(word: &str) -> Option<Option<u64>> {
    if word == "-" { Some(None) } else { word.parse().ok().map(Some) }
}

fn started(pid: u32, time: &str, value: &str, words: &[&str]) -> Option<Execution> {
    let [task, step, attempt, seen] = words else { return None };
    let seen = seen.split(',').filter(|word| !word.is_empty());
    Some(Execution {
        pid,
        task: task.parse().ok()?,
        step: (*step).to_owned(),
        attempt: attempt.parse().ok()?,
        value: value.parse().ok()?,
        seen: seen.map(number).collect::<Option<_>>()?,
        loaded: None,
        saves: Vec::new(),
        start: time.parse().ok()?,
        end: None,
    })
}

/// One more line about an execution.
fn went_on(execution: &mut Execution, what: &str, time: Micros, words: &[&str]) -> Option<()> {
    match (what, words) {
        ("loaded", [cursor, by]) => {
            execution.loaded = Some(Loaded { time, from: number(cursor)?.zip(number(by)?) });
        }
        ("saving", [cursor]) => {
            execution.saves.push(Save { cursor: cursor.parse().ok()?, asked: time, acknowledged: None });
        }
        ("saved", [cursor]) => {
            let cursor: u64 = cursor.parse().ok()?;
            let last = execution.saves.last_mut().filter(|save| save.cursor == cursor)?;
            last.acknowledged = Some(time);
        }
        ("end", [outcome @ ("ok" | "failed")]) if execution.end.is_none() => {
            execution.end = Some((time, *outcome == "ok"));
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LINES: &str = "process 7 100\n\
        start 110 55 00000000-0000-0000-0000-000000000001 diamond_end 2 41,-\n\
        start 111 56 00000000-0000-0000-0000-000000000002 batch_end 1 \n\
        end 120 55 ok\n";

    #[test]
    fn executions_are_read_with_and_without_an_end() {
        let read = read(LINES).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].pid, read[0].attempt, &*read[0].seen), (7, 2, &[Some(41), None][..]));
        assert_eq!((read[0].end, read[1].end), (Some((120, true)), None));
        assert_eq!(read[1].seen, []);
    }

    #[test]
    fn checkpoints_are_read_whether_acknowledged_or_not() {
        let lines = "loaded 121 56 4 55\nsaving 122 56 8\nsaved 123 56 8\nsaving 124 56 12\n";
        let read = read(&format!("{LINES}{lines}")).unwrap();
        assert_eq!(read[1].loaded, Some(Loaded { time: 121, from: Some((4, 55)) }));
        let first = Save { cursor: 8, asked: 122, acknowledged: Some(123) };
        assert_eq!(read[1].saves, [first, Save { cursor: 12, asked: 124, acknowledged: None }]);
        assert!(super::read(&format!("{LINES}saved 123 56 8\n")).is_err());
    }

    #[test]
    fn only_the_last_line_may_be_torn() {
        assert_eq!(read(&format!("{LINES}end 1")).unwrap().len(), 2);
        assert!(read(&format!("{LINES}end 1\nend 125 56 ok\n")).is_err());
        assert!(read(&format!("{LINES}end 125 57 ok\n")).unwrap_err().contains("57"));
    }
}
