//! What operators ask of a task, and what follows from it.

use serde::{Deserialize, Serialize};
use tasker_template::{FailureStrategy, nearest};

use super::{Event, Json, Progress, StepIndex, StepState, TaskState, Timestamp, Verdict};

/// What an operator asks of a task.
///
/// ```
/// use tasker_model::Command;
///
/// let skip: Command = serde_json::from_str(r#"{"skip": {"step": "remind"}}"#)?;
/// assert_eq!(skip, Command::Skip { step: "remind".into() });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A new round of attempts for failed steps: for these, or for all that failed for good. Those that wait for
    /// their next attempt wait no longer; how many attempts they have left stays as it is.
    ///
    /// A batch goes on from its checkpoint. Of a worker that failed fast, the failed batches are tried
    /// again; once none of them is left failed, those that were cancelled run too. In a batch that may go
    /// on after failures, a failed instance can be tried again until the steps after it have run; with
    /// `failure_strategy: isolate` also when the task is complete. Its result is recorded then, and what
    /// the steps after the batch returned stays.
    ///
    /// In a task that is being rolled back, this and the next two are for its compensations, by names like
    /// `undo charge`.
    Retry {
        /// Names of steps that failed or wait for a retry; none: every one. The name of a worker stands for such
        /// batches of it.
        #[serde(default)]
        steps: Vec<String>,
    },
    /// A result for a step that failed or waits: for a retry, a time or a signal.
    Resolve {
        /// The step.
        step: String,
        /// Its result, kept as it is written.
        result: Json,
    },
    /// Go on without a step that failed or waits; what needs its result is skipped as well. For a timer that means
    /// to wait no longer: it is over, and what depends on it runs.
    Skip {
        /// The step.
        step: String,
    },
    /// End the task; running handlers are told and then dropped. Nothing is undone, and what a rollback has
    /// not undone yet stays.
    Cancel,
    /// End a task that is blocked by failures as failed: it is `error` then, for the reason it was blocked.
    /// Nothing is undone.
    GiveUp,
    /// Start no more steps until it is resumed.
    Pause,
    /// Go on after a pause, or take back one that still waits for steps that run.
    Resume,
    /// Look at the signals that were sent to the task. Sending one asks this by itself.
    Deliver,
}

/// A fact about a step that follows from a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// The failed step gets a new round of attempts.
    Reopened(StepIndex),
    /// The step, which waits for its next attempt, is due now.
    DueNow(StepIndex),
    /// The step has this result.
    Resolved(StepIndex, Json),
    /// The step is left out.
    Skipped(StepIndex),
}

impl Fact {
    /// What happens to which step.
    #[must_use]
    pub fn event(&self) -> (StepIndex, Event) {
        match self {
            Self::Reopened(no) => (*no, Event::Reopened),
            Self::DueNow(no) => (*no, Event::DueNow),
            Self::Resolved(no, result) => (*no, Event::Resolved { result: result.clone() }),
            Self::Skipped(no) => (*no, Event::Skipped),
        }
    }
}

/// Why a command cannot be followed. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The task is over.
    #[error("the task is {0}: nothing can change it any more")]
    Over(TaskState),
    /// The task has no step of this name.
    #[error("the task has no step `{step}`{}", nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    UnknownStep {
        /// The name that was given.
        step: String,
        /// The name that is nearest.
        nearest: Option<String>,
    },
    /// The step is not in a state the command is for.
    #[error(
        "step `{step}` is {state}: only a step that failed or waits{} can be {verb}",
        if *verb == "retried" { " for a retry" } else { "" }
    )]
    WrongState {
        /// The step.
        step: String,
        /// Its state.
        state: StepState,
        /// What was to be done to it.
        verb: &'static str,
    },
    /// The task is being undone, and the step is none of its compensations.
    #[error(
        "the task is being rolled back, so `{step}` stays as it is: only its compensations can be {verb}, by names like `undo {step}`"
    )]
    RollingBack {
        /// The step.
        step: String,
        /// What was to be done to it.
        verb: &'static str,
    },
    /// No step has failed for good or waits for a retry.
    #[error("no step of the task has failed for good or waits for a retry")]
    NothingFailed,
    /// The batch failed, and the steps after it have run without it.
    #[error(
        "the steps after batch `{step}` have run without it: it can be {verb} no more{}",
        if *verb == "retried" { " (`failure_strategy: isolate` allows it once the task is complete)" } else { "" }
    )]
    BatchOver {
        /// The instance.
        step: String,
        /// What was to be done to it.
        verb: &'static str,
    },
    /// Only a task that is blocked by failures can be given up.
    #[error("the task is {0}, not blocked_by_failures: cancel it instead of giving it up")]
    NotBlocked(TaskState),
    /// Only a task that is paused, or is to be, can be resumed.
    #[error("the task is {0}, not paused")]
    NotPaused(TaskState),
    /// The given result is not one the step may have.
    #[error("step `{step}` cannot have this result: {problem}")]
    Result {
        /// The step.
        step: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Command {
    /// The facts that follow at `now` for a task that stands at `progress`. Commands about the whole task have none.
    ///
    /// # Errors
    /// When the command does not fit the state of the steps it names.
    pub fn facts(&self, progress: &Progress, now: Timestamp) -> Result<Vec<Fact>, CommandError> {
        match self {
            Self::Retry { steps } if steps.is_empty() && progress.rolling_back() => {
                let fact = progress.compensations().find_map(|(no, slot)| again(no, slot.state()));
                fact.map(|fact| vec![fact]).ok_or(CommandError::NothingFailed)
            }
            Self::Retry { steps } if steps.is_empty() => {
                // A failed batch is the failure of its instances.
                let steps = progress.slots().filter(|(no, _)| !is_worker(progress, *no));
                let facts = facts_of(progress, steps);
                if facts.is_empty() { Err(CommandError::NothingFailed) } else { Ok(facts) }
            }
            Self::Retry { steps } => {
                let facts: Vec<Vec<Fact>> =
                    steps.iter().map(|step| retried(progress, step)).collect::<Result<_, _>>()?;
                Ok(facts.concat())
            }
            Self::Resolve { step, result } => {
                let no = open(progress, step, "resolved")?;
                let problem = |problem: String| CommandError::Result { step: step.clone(), problem };
                // A number no handler could read, or half of a character, is refused while somebody is there to hear.
                result.parse::<serde_json::Value>().map_err(|error| problem(error.to_string()))?;
                progress.rules().effect(no, result).map_err(|error| problem(error.to_string()))?;
                Ok(vec![Fact::Resolved(no, result.clone())])
            }
            Self::Skip { step } => {
                let no = open(progress, step, "skipped")?;
                let fact = match progress.timer_ended_at(no, now) {
                    Some(result) => Fact::Resolved(no, result),
                    None => Fact::Skipped(no),
                };
                Ok(vec![fact])
            }
            Self::Cancel | Self::GiveUp | Self::Pause | Self::Resume | Self::Deliver => Ok(Vec::new()),
        }
    }

    /// The names of the steps that are left out because of this command, beside the one it names: those that need
    /// its result, and whatever needs theirs. Only [`Skip`](Self::Skip) leaves any out.
    ///
    /// # Errors
    /// As [`facts`](Self::facts).
    pub fn leaves_out(&self, progress: &Progress) -> Result<Vec<String>, CommandError> {
        let facts = self.facts(progress, Timestamp::default())?;
        let mut after = progress.clone();
        let mut named = Vec::new();
        for fact in facts.iter().filter(|fact| matches!(fact, Fact::Skipped(_))) {
            let (no, event) = fact.event();
            named.push(no);
            // Leaving out a step has no result that could be refused.
            let _ = after.apply(no, &event);
        }
        let is_new = |(no, slot): &(StepIndex, &super::Slot)| {
            slot.state() == StepState::Skipped
                && !named.contains(no)
                && progress.slot(*no).is_none_or(|before| before.state() != StepState::Skipped)
        };
        let left_out = after.slots().filter(is_new);
        Ok(left_out.map(|(no, _)| progress.rules().name(no).to_string()).collect())
    }

    /// The command in a word, for the audit trail.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::Resolve { .. } => "resolve",
            Self::Skip { .. } => "skip",
            Self::Cancel => "cancel",
            Self::GiveUp => "give_up",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Deliver => "signal",
        }
    }
}

fn find(progress: &Progress, step: &str, verb: &'static str) -> Result<(StepIndex, StepState), CommandError> {
    let found = progress.rules().number(step).and_then(|no| Some((no, progress.slot(no)?.state())));
    if found.is_some_and(|(no, _)| no.compensates().is_none()) && progress.rolling_back() {
        return Err(CommandError::RollingBack { step: step.to_owned(), verb });
    }
    found.ok_or_else(|| {
        let steps = progress.rules().steps.iter().map(|rule| rule.name.clone());
        let compensations = progress.compensations().map(|(no, _)| progress.rules().name(no));
        let names: Vec<_> = steps.chain(compensations).collect();
        let nearest = nearest(step, names.iter().map(AsRef::as_ref)).map(str::to_owned);
        CommandError::UnknownStep { step: step.to_owned(), nearest }
    })
}

fn is_worker(progress: &Progress, no: StepIndex) -> bool {
    let step = no.index().is_none() && no.compensates().is_none();
    step && progress.rules().steps[no.step() as usize].batch.is_some()
}

/// Whether an instance may still change: the steps after its batch have not run, or, where it is only to
/// be tried again, its batch is isolated from them and the task complete. Other steps always may.
fn open_batch(progress: &Progress, no: StepIndex, again: bool) -> bool {
    let rule = &progress.rules().steps[no.step() as usize];
    let (Some(_), None, Some(batch)) = (no.index(), no.compensates(), &rule.batch) else { return true };
    match progress.slot(StepIndex::of(no.step())).map(super::Slot::state) {
        Some(StepState::Complete) => {
            again && batch.strategy == FailureStrategy::Isolate && progress.verdict() == Verdict::Complete
        }
        Some(StepState::ResolvedManually | StepState::Skipped) => false,
        _ => true,
    }
}

/// What it means to try a step in this state again.
fn again(no: StepIndex, state: StepState) -> Option<Fact> {
    match state {
        StepState::Error => Some(Fact::Reopened(no)),
        StepState::WaitingForRetry => Some(Fact::DueNow(no)),
        _ => None,
    }
}

/// What it means to try these again, as far as they can be.
fn facts_of<'p>(progress: &Progress, slots: impl Iterator<Item = (StepIndex, &'p super::Slot)>) -> Vec<Fact> {
    let facts = slots.filter_map(|(no, slot)| again(no, slot.state()));
    facts.filter(|fact| open_batch(progress, fact.event().0, true)).collect()
}

/// What it means to retry a step by name: for a worker, those of its instances that failed or wait.
fn retried(progress: &Progress, step: &str) -> Result<Vec<Fact>, CommandError> {
    let (no, state) = find(progress, step, "retried")?;
    if is_worker(progress, no) {
        let instances =
            progress.slots().filter(|(other, _)| other.step() == no.step() && other.index().is_some());
        let facts = facts_of(progress, instances);
        if !facts.is_empty() {
            return Ok(facts);
        }
    }
    match again(no, state) {
        Some(fact) if open_batch(progress, no, true) => Ok(vec![fact]),
        Some(_) => Err(CommandError::BatchOver { step: step.to_owned(), verb: "retried" }),
        None => Err(CommandError::WrongState { step: step.to_owned(), state, verb: "retried" }),
    }
}

fn open(progress: &Progress, step: &str, verb: &'static str) -> Result<StepIndex, CommandError> {
    match find(progress, step, verb)? {
        (no, _) if !open_batch(progress, no, false) => {
            Err(CommandError::BatchOver { step: step.to_owned(), verb })
        }
        (no, StepState::Error | StepState::WaitingForRetry | StepState::Waiting) => Ok(no),
        (_, state) => Err(CommandError::WrongState { step: step.to_owned(), state, verb }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn results_are_stored_digit_for_digit_and_read_as_they_always_were() {
        let text =
            r#"{"resolve":{"step":"a","result":{"n": 340282366920938463463374607431768211455, "f": 1.10}}}"#;
        let command: Command = serde_json::from_str(text).unwrap();
        let Command::Resolve { result, .. } = &command else { panic!("another command: {command:?}") };
        assert_eq!(result.as_str(), r#"{"n": 340282366920938463463374607431768211455, "f": 1.10}"#);
        assert_eq!(serde_json::to_string(&command).unwrap(), text);
        assert_eq!(serde_json::from_str::<Command>("\"cancel\"").unwrap(), Command::Cancel);
    }
}
