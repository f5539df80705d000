//! Steps that start tasks of another workflow, and wait until all of these are over.
//!
//! What they are started with follows from the journal, like everything that is waited for. Which tasks were started, and
//! which of them are over, is kept beside them: whoever holds the task asks for it, and asking again starts none twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
};

use crate::{
    Children, Json, Place, StepError, StepIndex, WaitEnd,
    wait::{items_in, json_in},
};

/// The tasks that a step starts.
#[derive(Clone, Debug, PartialEq)]
pub struct ChildrenOf {
    /// The step.
    pub step: StepIndex,
    /// The attempt they belong to, from 1.
    pub number: u32,
    /// The context of each.
    pub contexts: Arc<[Json]>,
}

/// What stands where the contexts should, or why they cannot be read.
type Contexts = Result<Arc<[Json]>, String>;

/// What is known of the tasks that steps start.
#[derive(Clone, Debug, Default)]
pub(super) struct Started {
    /// The contexts that stand in results, by the step that starts tasks.
    read: BTreeMap<u32, Contexts>,
    /// The steps that wait for tasks, with the contexts of these.
    open: BTreeMap<u32, Contexts>,
    /// Of these, the ones that nobody was told of.
    fresh: BTreeSet<u32>,
    /// Of these, the ones whose tasks are all over, for which attempt and how that ends the step.
    over: BTreeMap<u32, (u32, WaitEnd)>,
}

impl Started {
    /// Keeps what the tasks of `step` are started with, where it stands in this result of the step `of`.
    pub(super) fn read(&mut self, step: u32, children: &Children, of: (u32, &str), result: &Json) {
        if let Place::Result(source, path) = &children.input
            && *source == of.0
        {
            self.read.insert(step, contexts(children, result, of.1, path));
        }
    }

    /// The step waits from now on for the tasks that it starts.
    pub(super) fn open(&mut self, step: u32, children: &Children, context: Option<&Json>) {
        let none = |what: &str| Err(what.to_owned());
        let contexts = match (&children.input, context) {
            (Place::Context(path), Some(context)) => contexts(children, context, "$", path),
            (Place::Context(_), None) => none("the context is not known here"),
            (Place::Result(..), _) => match self.read.get(&step) {
                Some(read) => read.clone(),
                None => none("the step that has it has no result"),
            },
        };
        self.open.insert(step, contexts);
        self.fresh.insert(step);
        self.over.remove(&step);
    }

    /// The step waits no more.
    pub(super) fn close(&mut self, step: u32) {
        self.open.remove(&step);
        self.fresh.remove(&step);
        self.over.remove(&step);
    }

    pub(super) fn are_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = u32> {
        self.open.keys().copied()
    }

    pub(super) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    pub(super) fn take_fresh(&mut self) -> BTreeSet<u32> {
        mem::take(&mut self.fresh)
    }

    /// What the tasks of a step are started with, where that can be read.
    pub(super) fn contexts(&self, step: u32) -> Option<Arc<[Json]>> {
        self.open.get(&step)?.as_ref().ok().cloned()
    }

    pub(super) fn ended(&mut self, step: u32, attempt: u32, end: WaitEnd) {
        if self.open.contains_key(&step) {
            self.over.insert(step, (attempt, end));
        }
    }

    /// How this attempt of a step ends, if it does.
    pub(super) fn over(&self, step: u32, attempt: u32) -> Option<WaitEnd> {
        if let Some(Err(problem)) = self.open.get(&step) {
            return Some(WaitEnd::Failed(StepError::permanent("INVALID_CHILD_INPUT", problem.clone())));
        }
        let (of, end) = self.over.get(&step)?;
        (*of == attempt).then(|| end.clone())
    }
}

fn contexts(children: &Children, json: &Json, of: &str, path: &[String]) -> Contexts {
    match children.each {
        true => items_in(json, of, path).map(Arc::from),
        false => json_in(json, of, path).map(|context| Arc::from([context])),
    }
}
