//! Steps that wait for a time or for somebody.
//!
//! What is waited for follows from the journal: when the steps above settled, what they returned, and which
//! signals are used up, since the entry of a step that a signal settled has the number of that signal. So nothing
//! of a wait is stored while it lasts, and a signal settles one step at most, whatever crashes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{ChildrenOf, Event, Progress, Slot};
use crate::{
    Due, Json, OnTimeout, Rules, Signal, StepError, StepIndex, StepState, Timestamp, Wait, WaitEnd,
    wait::{time_in, timer_result},
};

/// The time and the context a task started with.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// When it was submitted.
    pub at: Timestamp,
    /// Its context; needed only where [`Rules::reads_context`] says so.
    pub context: Option<Json>,
}

/// The waits of a task that may have some.
#[derive(Clone, Debug)]
pub(super) struct Waits {
    start: Start,
    /// The time of what is being added.
    pub(super) now: Timestamp,
    /// When each step settled, the last of its batches counting.
    settled_at: Box<[Timestamp]>,
    /// The times that results have for timers, by timer.
    times: BTreeMap<u32, Result<Timestamp, String>>,
    /// What waits now, until when at the longest.
    open: BTreeMap<u32, Timestamp>,
    /// Signals that no step was there for yet, in the order they arrived.
    mailbox: Vec<Signal>,
    /// The numbers of the signals that settled a step.
    used: BTreeSet<u32>,
    /// What steps start.
    children: super::children::Started,
}

impl Waits {
    /// What a task with these rules needs; `None`: none of its steps waits.
    pub(super) fn of(rules: &Rules, start: Start) -> Option<Box<Self>> {
        let waits = rules.steps.iter().any(|rule| rule.wait.is_some());
        waits.then(|| {
            Box::new(Self {
                start,
                now: Timestamp::default(),
                settled_at: vec![Timestamp::default(); rules.steps.len()].into(),
                times: BTreeMap::new(),
                open: BTreeMap::new(),
                mailbox: Vec::new(),
                used: BTreeSet::new(),
                children: super::children::Started::default(),
            })
        })
    }

    /// Something of `step` was added at the present time.
    fn came(&mut self, step: u32) {
        let at = &mut self.settled_at[step as usize];
        *at = (*at).max(self.now);
    }

    /// When the last of what `step` depends on settled.
    fn since(&self, rules: &Rules, step: u32) -> Timestamp {
        let above = rules.steps[step as usize].dependencies.iter();
        above.map(|&other| self.settled_at[other as usize]).max().unwrap_or(self.start.at)
    }

    /// The step has come to its end with those above it.
    fn pass_on(&mut self, rules: &Rules, step: u32) {
        self.settled_at[step as usize] = self.settled_at[step as usize].max(self.since(rules, step));
    }

    /// Keeps what steps that wait read in the result of `step`: the times of timers, the contexts of children.
    fn read(&mut self, rules: &Rules, step: u32, result: &Json) {
        let name = &rules.steps[step as usize].name;
        for &waits in &rules.steps[step as usize].dependents {
            match &rules.steps[waits as usize].wait {
                Some(Wait::Timer(Due::Result(of, path))) if *of == step => {
                    self.times.insert(waits, time_in(result, name, path));
                }
                Some(Wait::Children(children)) => self.children.read(waits, children, (step, name), result),
                _ => {}
            }
        }
    }

    fn time(&self, due: &Due, step: u32, since: Timestamp) -> Result<Timestamp, String> {
        let none = || Err("the step that has it has no result".to_owned());
        match due {
            Due::After(delay) => Ok(since + *delay),
            Due::Result(..) => self.times.get(&step).cloned().unwrap_or_else(none),
            Due::Context(path) => match &self.start.context {
                Some(context) => time_in(context, "$", path),
                None => Err("the context is not known here".to_owned()),
            },
        }
    }

    /// Until when a step waits that waits from now on.
    fn until(&self, rules: &Rules, step: u32, again: bool) -> Timestamp {
        let since = self.since(rules, step);
        match &rules.steps[step as usize].wait {
            None => since,
            Some(Wait::Delay(delay)) => since + *delay,
            // What is no time is due at once, and fails then.
            Some(Wait::Timer(due)) => self.time(due, step, since).unwrap_or(since),
            // Whoever has it tried again has let its time pass once.
            Some(Wait::Signal { timeout: Some(timeout), .. }) if !again => since + *timeout,
            Some(Wait::Signal { .. } | Wait::Children(_)) => Timestamp::NEVER,
        }
    }
}

impl Progress {
    /// Keeps what waits need to know of an event: when it was, and the times that it brings.
    pub(super) fn note_for_waits(&mut self, no: StepIndex, event: &Event) {
        let Some(waits) = &mut self.waits_for else { return };
        match event {
            Event::Completed { result } | Event::Resolved { result } => {
                waits.came(no.step());
                if no.index().is_none() {
                    waits.read(&self.rules, no.step(), result);
                }
            }
            Event::Skipped => waits.came(no.step()),
            _ => {}
        }
    }

    /// The step has come to its end with the last of those above it.
    pub(super) fn pass_time_on(&mut self, step: u32) {
        if let Some(waits) = &mut self.waits_for {
            waits.pass_on(&self.rules, step);
        }
    }

    /// The step waits from now on.
    pub(super) fn open_wait(&mut self, step: u32) {
        let again = self.steps[step as usize].reopened;
        let rules = self.rules.clone();
        let Some(waits) = &mut self.waits_for else { return };
        let until = waits.until(&rules, step, again);
        if let Some(Wait::Children(children)) = &rules.steps[step as usize].wait {
            waits.children.open(step, children, waits.start.context.as_ref());
        }
        waits.open.insert(step, until);
        self.lead_to_wait(StepIndex::of(step));
    }

    /// Until when the step waits at the longest, by itself; `None`: it does not wait.
    #[must_use]
    pub fn waits_until(&self, no: StepIndex) -> Option<Timestamp> {
        self.waits_for.as_ref()?.open.get(&no.step()).copied().filter(|_| no == StepIndex::of(no.step()))
    }

    /// Whether the turn of a step has come and it is not settled: the task waits for it, or for somebody who looks
    /// after its failure. Of a task that is being rolled back that is so of a compensation alone.
    #[must_use]
    pub fn waits_for(&self, no: StepIndex) -> bool {
        use StepState::{Error, InProgress, Ready, Waiting, WaitingForRetry};
        let in_turn =
            |slot: &Slot| matches!(slot.state, Ready | InProgress | Waiting | WaitingForRetry | Error);
        (no.compensates().is_some() || !self.rolling_back()) && self.slot(no).is_some_and(in_turn)
    }

    /// Signals that no step was there for yet, in the order they arrived.
    #[must_use]
    pub fn mailbox(&self) -> &[Signal] {
        self.waits_for.as_ref().map(|waits| &*waits.mailbox).unwrap_or_default()
    }

    /// Takes in signals that were sent to the task. What has settled a step already, or is here already, is passed
    /// over.
    pub fn receive(&mut self, signals: impl IntoIterator<Item = Signal>) {
        let Some(waits) = &mut self.waits_for else { return };
        for signal in signals {
            let known = waits.mailbox.iter().any(|other| other.number == signal.number);
            if !known && !waits.used.contains(&signal.number) {
                waits.mailbox.push(signal);
            }
        }
        waits.mailbox.sort_unstable_by_key(|signal| signal.number);
    }

    /// The signal of this number has settled a step.
    pub(crate) fn used_up(&mut self, number: u32) {
        if let Some(waits) = &mut self.waits_for {
            waits.used.insert(number);
            waits.mailbox.retain(|signal| signal.number != number);
        }
    }

    /// The waits that are over at `now`, each with how it ended, which is still to be recorded and added.
    #[must_use]
    pub fn waits_over(&self, now: Timestamp) -> Vec<(StepIndex, WaitEnd)> {
        let Some(waits) = self.waits_for.as_ref().filter(|_| !self.rolling_back()) else { return Vec::new() };
        let mut over = Vec::new();
        let mut left: Vec<&Signal> = waits.mailbox.iter().collect();
        for (&step, &until) in &waits.open {
            let end = match &self.rules.steps[step as usize].wait {
                Some(Wait::Signal { name, on_timeout, .. }) => {
                    let came = left.iter().position(|signal| signal.name == *name);
                    match came.map(|at| left.remove(at)) {
                        Some(signal) => WaitEnd::Result(signal.payload.clone(), signal.number),
                        None if until <= now => timed_out(name, on_timeout),
                        None => continue,
                    }
                }
                Some(Wait::Timer(due)) if until <= now => {
                    match waits.time(due, step, waits.since(&self.rules, step)) {
                        Ok(due) => WaitEnd::Result(timer_result(due, now), 0),
                        Err(problem) => WaitEnd::Failed(StepError::permanent("INVALID_TIME", problem)),
                    }
                }
                Some(Wait::Children(_)) => {
                    let attempt = self.slot(StepIndex::of(step)).map_or(0, Slot::failed_attempts) + 1;
                    match waits.children.over(step, attempt) {
                        Some(end) => end,
                        None => continue,
                    }
                }
                _ => continue,
            };
            over.push((StepIndex::of(step), end));
        }
        over
    }

    /// Releases steps whose delay is over.
    pub(super) fn end_delays(&mut self, now: Timestamp) {
        let Some(waits) = &mut self.waits_for else { return };
        let rules = &self.rules;
        let is_over = |step: &u32, until: &Timestamp| {
            *until <= now && matches!(rules.steps[*step as usize].wait, Some(Wait::Delay(_)))
        };
        let over: Vec<u32> =
            waits.open.iter().filter(|(step, until)| is_over(step, until)).map(|(step, _)| *step).collect();
        for step in over {
            self.start(step);
        }
    }

    /// When the next wait is over by itself.
    pub(super) fn next_wait(&self) -> Option<Timestamp> {
        self.waits_for.as_ref()?.open.values().min().copied()
    }

    /// A step does not wait any more.
    pub(super) fn close_wait(&mut self, no: StepIndex) {
        if let Some(waits) = self.waits_for.as_mut().filter(|_| no.index().is_none()) {
            waits.open.remove(&no.step());
            waits.children.close(no.step());
        }
    }

    /// Whether a step waits for tasks that it started: these end by themselves.
    pub(super) fn has_children(&self) -> bool {
        self.waits_for.as_ref().is_some_and(|waits| waits.children.are_open())
    }

    /// Whether [`take_children`](Self::take_children) has some.
    #[must_use]
    pub fn is_to_start_children(&self) -> bool {
        self.waits_for.as_ref().is_some_and(|waits| waits.children.has_fresh())
    }

    /// The steps whose tasks are to be started, unless they have been: those that have come to it since this was asked.
    pub fn take_children(&mut self) -> Vec<ChildrenOf> {
        let Some(waits) = &mut self.waits_for else { return Vec::new() };
        let steps = waits.children.take_fresh();
        steps.into_iter().filter_map(|step| self.children_of(step)).collect()
    }

    /// The steps that wait for tasks that they started.
    #[must_use]
    pub fn open_children(&self) -> Vec<ChildrenOf> {
        let Some(waits) = &self.waits_for else { return Vec::new() };
        waits.children.steps().filter_map(|step| self.children_of(step)).collect()
    }

    fn children_of(&self, step: u32) -> Option<ChildrenOf> {
        let contexts = self.waits_for.as_ref()?.children.contexts(step)?;
        let no = StepIndex::of(step);
        Some(ChildrenOf { step: no, number: self.slot(no)?.failed_attempts() + 1, contexts })
    }

    /// All tasks are over that this attempt of a step started.
    pub fn children_over(&mut self, step: StepIndex, attempt: u32, end: WaitEnd) {
        if let Some(waits) = &mut self.waits_for {
            waits.children.ended(step.step(), attempt, end);
        }
    }

    /// The result of a timer that is over at `now`, whether that is its time or not; `None`: the step is no timer
    /// that waits.
    #[must_use]
    pub fn timer_ended_at(&self, no: StepIndex, now: Timestamp) -> Option<Json> {
        let due = self.waits_until(no)?;
        let is_timer = matches!(self.rules.steps[no.step() as usize].wait, Some(Wait::Timer(_)));
        is_timer.then(|| timer_result(due, now))
    }

    /// The calendar was set by so many microseconds: what waits for a while waits as long as it would have, what
    /// waits for a point in time until then.
    pub(super) fn shift_waits(&mut self, by: i64) {
        let rules = self.rules.clone();
        let Some(waits) = &mut self.waits_for else { return };
        for (step, until) in &mut waits.open {
            let point = matches!(
                rules.steps[*step as usize].wait,
                Some(Wait::Timer(Due::Context(_) | Due::Result(..)))
            );
            if !point {
                *until = until.shifted(by);
            }
        }
    }

    /// Moves a step to where it waits, through all that lies between.
    pub(super) fn lead_to_wait(&mut self, no: StepIndex) {
        while let Some(next) = self.slot(no).and_then(|slot| slot.state.towards(StepState::Waiting)) {
            self.move_to(no, next);
        }
    }
}

fn timed_out(name: &Arc<str>, on_timeout: &OnTimeout) -> WaitEnd {
    match on_timeout {
        OnTimeout::Fail => {
            let message = format!("the signal `{name}` did not come in time");
            WaitEnd::Failed(StepError::permanent("SIGNAL_TIMEOUT", message))
        }
        OnTimeout::Skip => WaitEnd::Skipped,
        OnTimeout::Default(result) => WaitEnd::Result(result.clone(), 0),
    }
}
