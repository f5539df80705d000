//! Tells those who wait for a task, or look at it, what happens to it in this process.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use crate::model::{Json, StepError, StepIndex, TaskState, Timestamp};

/// Something that happened to a watched task.
#[derive(Clone, Debug)]
pub enum Update {
    /// An attempt began.
    Started {
        /// The step.
        step: StepIndex,
        /// The attempt, from 1.
        attempt: u32,
    },
    /// The step is complete.
    Completed {
        /// The step.
        step: StepIndex,
        /// The attempt, from 1.
        attempt: u32,
        /// How long the attempt took.
        took: Duration,
        /// Its result.
        result: Json,
    },
    /// An attempt failed.
    Failed {
        /// The step.
        step: StepIndex,
        /// The attempt, from 1.
        attempt: u32,
        /// When the next attempt may start; `None`: there is none.
        retry_at: Option<Timestamp>,
        /// Why.
        error: StepError,
    },
    /// A round of a step is over, and another one follows.
    Round {
        /// The step.
        step: StepIndex,
        /// The attempt that ended it, from 1.
        attempt: u32,
        /// The round, from 1.
        round: u32,
        /// When the next one starts.
        next_at: Timestamp,
    },
    /// The task left this process's hands in this state.
    Left {
        /// The state.
        state: TaskState,
    },
    /// The task left this process's hands because its lease ran out: another process moves it on.
    Lost,
}

/// What happens to a task, as far as it matters to one who waits for its end.
#[derive(Clone, Debug)]
pub(crate) enum Progressed {
    /// It is held in this process.
    Held,
    /// Its lease ran out, and another process moves it on.
    Lost,
    /// It left this process's hands in this state.
    Left {
        state: TaskState,
        /// The results of the steps that were named, as far as they came about while this process looked on.
        /// A result that is recorded never changes.
        results: Vec<Option<Json>>,
    },
}

/// Who watches what. Tasks nobody watches cost one load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watchers(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    /// How many tasks are watched.
    count: AtomicUsize,
    /// How many watchers there ever were, which numbers them.
    ever: AtomicU64,
    by_task: Mutex<HashMap<Uuid, Vec<(u64, Watcher)>>>,
}

impl Watched {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Vec<(u64, Watcher)>>> {
        self.by_task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
enum Watcher {
    /// Wants to know everything.
    All(UnboundedSender<Update>),
    /// Wants to know how it ends.
    End(Waiter),
}

impl Watcher {
    fn tell(&mut self, update: &Update) {
        match self {
            // One that is being dropped hears nothing more.
            Self::All(sender) => drop(sender.send(update.clone())),
            Self::End(waiter) => waiter.tell(update),
        }
    }
}

/// One who waits for the end of a task. It is woken when that comes, and not with every step.
#[derive(Debug)]
struct Waiter {
    /// The steps whose results are wanted.
    steps: Arc<[StepIndex]>,
    results: Vec<Option<Json>>,
    /// It is known to whoever waits that this process holds the task.
    held: bool,
    sender: UnboundedSender<Progressed>,
}

impl Waiter {
    fn tell(&mut self, update: &Update) {
        if let Update::Completed { step, result, .. } = update
            && let Some(place) = self.steps.iter().position(|wanted| wanted == step)
        {
            self.results[place] = Some(result.clone());
        }
        let progressed = match update {
            Update::Left { state } => {
                self.held = false;
                Progressed::Left { state: *state, results: self.results.clone() }
            }
            Update::Lost => {
                self.held = false;
                Progressed::Lost
            }
            _ if std::mem::replace(&mut self.held, true) => return,
            _ => Progressed::Held,
        };
        // One that is being dropped hears nothing more.
        let _ = self.sender.send(progressed);
    }
}

/// What happens to a watched task. Once this is dropped, nothing is left of the watching.
#[derive(Debug)]
pub(crate) struct Updates {
    receiver: UnboundedReceiver<Update>,
    /// The task left, until that was said once; for good, where nothing can bring it back.
    left: Option<bool>,
    _watching: Watching,
}

/// What matters of a task to one who waits for its end. Once this is dropped, nothing is left of the waiting.
#[derive(Debug)]
pub(crate) struct Ending {
    receiver: UnboundedReceiver<Progressed>,
    watching: Watching,
}

impl Updates {
    /// What has happened already and was not asked for yet.
    pub(crate) fn pending(&mut self) -> Option<Update> {
        let update = self.receiver.try_recv().ok()?;
        self.note(&update);
        Some(update)
    }

    /// The next thing that happens; `None` once after the task has left, and ever after when it is over.
    pub(crate) async fn next(&mut self) -> Option<Update> {
        if let Some(for_good) = self.left {
            if let Some(update) = self.pending() {
                // It came back before anybody asked.
                return Some(update);
            }
            if !for_good {
                self.left = None;
            }
            return None;
        }
        let update = self.receiver.recv().await?;
        self.note(&update);
        Some(update)
    }

    fn note(&mut self, update: &Update) {
        self.left = match update {
            Update::Left { state } => Some(state.is_final()),
            Update::Lost => Some(false),
            _ => None,
        };
    }
}

impl Ending {
    /// From now on the results of these steps are wanted.
    pub(crate) fn want(&self, steps: &Arc<[StepIndex]>) {
        self.change(|waiter| {
            (waiter.steps, waiter.results) = (steps.clone(), vec![None; steps.len()]);
        });
    }

    /// It is not known whether this process holds the task: it is to be said when it does.
    pub(crate) fn doubt(&self) {
        self.change(|waiter| waiter.held = false);
    }

    fn change(&self, change: impl FnOnce(&mut Waiter)) {
        let Watching { task, number, watchers } = &self.watching;
        let mut by_task = watchers.0.lock();
        let own = by_task.get_mut(task).and_then(|all| all.iter_mut().find(|(other, _)| other == number));
        if let Some((_, Watcher::End(waiter))) = own {
            change(waiter);
        }
    }

    /// The next thing that matters. It never says that nothing more will.
    pub(crate) async fn next(&mut self) -> Progressed {
        match self.receiver.recv().await {
            Some(progressed) => progressed,
            // The watchers live as long as this.
            None => std::future::pending().await,
        }
    }
}

/// Takes a watcher off the list when it is dropped.
#[derive(Debug)]
struct Watching {
    task: Uuid,
    number: u64,
    watchers: Watchers,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut by_task = self.watchers.0.lock();
        if let Some(watchers) = by_task.get_mut(&self.task) {
            watchers.retain(|(number, _)| *number != self.number);
            if watchers.is_empty() {
                by_task.remove(&self.task);
            }
        }
        self.watchers.0.count.store(by_task.len(), Ordering::Release);
    }
}

impl Watchers {
    /// Everything that happens to `task` in this process from now on.
    pub(crate) fn add(&self, task: Uuid) -> Updates {
        let (sender, receiver) = unbounded_channel();
        Updates { receiver, left: None, _watching: self.enter(task, Watcher::All(sender)) }
    }

    /// The end of `task`, when it comes about in this process, with the results of `steps`. With `held` it is
    /// known that this process holds the task, or is about to.
    pub(crate) fn wait(&self, task: Uuid, steps: Arc<[StepIndex]>, held: bool) -> Ending {
        let (sender, receiver) = unbounded_channel();
        let waiter = Waiter { results: vec![None; steps.len()], steps, held, sender };
        Ending { receiver, watching: self.enter(task, Watcher::End(waiter)) }
    }

    fn enter(&self, task: Uuid, watcher: Watcher) -> Watching {
        let number = self.0.ever.fetch_add(1, Ordering::Relaxed);
        let mut by_task = self.0.lock();
        by_task.entry(task).or_default().push((number, watcher));
        self.0.count.store(by_task.len(), Ordering::Release);
        Watching { task, number, watchers: self.clone() }
    }

    /// Whether nobody watches anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.count.load(Ordering::Acquire) == 0
    }

    /// Tells those who watch `task`.
    pub(crate) fn tell(&self, task: Uuid, update: impl FnOnce() -> Update) {
        if self.is_empty() {
            return;
        }
        let mut by_task = self.0.lock();
        let Some(watchers) = by_task.get_mut(&task) else { return };
        let update = update();
        watchers.iter_mut().for_each(|(_, watcher)| watcher.tell(&update));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn left(state: TaskState) -> impl FnOnce() -> Update {
        move || Update::Left { state }
    }

    fn completed(step: u32, result: &str) -> impl FnOnce() -> Update {
        let result = Json::stored(result);
        move || Update::Completed { step: StepIndex::of(step), attempt: 1, took: Duration::ZERO, result }
    }

    #[test]
    fn nothing_is_left_of_a_watching_that_ended() {
        let (watchers, task) = (Watchers::default(), Uuid::nil());
        let (mut first, second) = (watchers.add(task), watchers.add(task));
        let third = watchers.wait(task, Arc::new([]), true);
        watchers.tell(task, left(TaskState::Complete));
        drop((second, third));
        assert_eq!(watchers.0.by_task.lock().unwrap().len(), 1, "the first still looks");
        assert!(matches!(first.pending(), Some(Update::Left { state: TaskState::Complete })));
        drop(first);
        assert_eq!(watchers.0.by_task.lock().unwrap().len(), 0);
        assert_eq!(watchers.0.count.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn updates_of_a_task_that_left_come_to_an_end_and_go_on_when_it_comes_back() {
        let (watchers, task) = (Watchers::default(), Uuid::nil());
        let mut updates = watchers.add(task);
        watchers.tell(task, left(TaskState::Waiting));
        assert!(matches!(updates.next().await, Some(Update::Left { state: TaskState::Waiting })));
        assert!(updates.next().await.is_none());
        watchers.tell(task, completed(0, "1"));
        assert!(matches!(updates.next().await, Some(Update::Completed { .. })));
        watchers.tell(task, left(TaskState::Complete));
        assert!(updates.next().await.is_some());
        for _ in 0..3 {
            assert!(updates.next().await.is_none(), "nothing happens to a task that is over");
        }
        // As one that is complete but for batches that failed, and is taken up again.
        watchers.tell(task, completed(1, "2"));
        assert!(updates.next().await.is_some());
    }

    #[tokio::test]
    async fn one_who_waits_is_woken_by_the_hold_and_the_end_and_gets_the_wanted_results() {
        let (watchers, task) = (Watchers::default(), Uuid::nil());
        let mut ending = watchers.wait(task, Arc::new([]), true);
        let wanted: Arc<[StepIndex]> = Arc::new([StepIndex::of(2), StepIndex::of(1)]);
        ending.want(&wanted);
        watchers.tell(task, completed(0, "0"));
        watchers.tell(task, completed(1, "1"));
        assert!(ending.receiver.try_recv().is_err(), "that it is held is known");
        ending.doubt();
        watchers.tell(task, completed(2, "2"));
        assert!(matches!(ending.next().await, Progressed::Held));
        watchers.tell(task, left(TaskState::Complete));
        let Progressed::Left { state, results } = ending.next().await else { panic!("it left") };
        assert_eq!(
            (state, results),
            (TaskState::Complete, vec![Some(Json::stored("2")), Some(Json::stored("1"))])
        );
        watchers.tell(task, completed(2, "2"));
        assert!(matches!(ending.next().await, Progressed::Held), "it came back");
    }
}
