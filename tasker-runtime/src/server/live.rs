//! What happens to tasks that somebody watches, by one question a moment for all of them.
//!
//! The journal is the memory: nothing is kept for those who are away or slow. Whoever watches finds the newest report,
//! and what came in between is in it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    time::sleep,
};
use uuid::Uuid;

use super::{
    Service,
    problem::{Answer, Code, Problem},
};
use crate::api::TaskReport;

/// How often the database is asked about tasks of other processes.
const LOOK: Duration = Duration::from_millis(250);
/// The shortest pause between two looks, also where something happens in this process.
const PAUSE: Duration = Duration::from_millis(20);
/// So many streams are open at once, and so many by one credential.
const STREAMS: usize = 1000;
const STREAMS_EACH: usize = 64;

/// What is known of a watched task.
#[derive(Clone, Debug, Default)]
pub(super) enum Seen {
    /// Nobody has looked so far.
    #[default]
    Unknown,
    /// Where it stands.
    Report(Arc<TaskReport>),
    /// It is there no longer.
    Gone,
}

#[derive(Debug, Default)]
struct Watched {
    /// How far it was when it was looked at.
    revision: Option<String>,
    seen: watch::Sender<Seen>,
}

/// The tasks that somebody watches.
#[derive(Debug)]
pub(super) struct Live {
    watched: Mutex<HashMap<Uuid, Watched>>,
    wake: Notify,
    streams: Arc<Semaphore>,
    by_key: Arc<Mutex<HashMap<String, usize>>>,
}

impl Default for Live {
    fn default() -> Self {
        let streams = Arc::new(Semaphore::new(STREAMS));
        Self { watched: Mutex::default(), wake: Notify::new(), streams, by_key: Arc::default() }
    }
}

/// The room that a stream takes, until it is dropped.
pub(super) struct Place {
    key: String,
    by_key: Arc<Mutex<HashMap<String, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_key.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                by_key.remove(&self.key);
            }
        }
    }
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more stream of whoever has this credential.
    pub(super) fn place(&self, key: Option<&str>) -> Answer<Place> {
        let full = || Problem::new(Code::TooManyStreams, "too many streams are open").after(10);
        let permit = self.streams.clone().try_acquire_owned().map_err(|_| full())?;
        let key = key.unwrap_or_default().to_owned();
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_key.entry(key.clone()).or_default();
        if *count >= STREAMS_EACH {
            return Err(full());
        }
        *count += 1;
        drop(by_key);
        Ok(Place { key, by_key: self.by_key.clone(), _permit: permit })
    }

    /// Watches a task from now on, until what is returned is dropped.
    pub(super) fn watch(&self, task: Uuid) -> watch::Receiver<Seen> {
        let receiver = self.lock().entry(task).or_default().seen.subscribe();
        self.wake.notify_one();
        receiver
    }

    /// Looks at a task at once: something has happened to it in this process.
    pub(super) fn look_at(&self, task: Uuid) {
        if let Some(watched) = self.lock().get_mut(&task) {
            watched.revision = None;
        }
        self.wake.notify_one();
    }

    /// The tasks that somebody still watches.
    fn tasks(&self) -> Vec<Uuid> {
        let mut watched = self.lock();
        watched.retain(|_, watched| watched.seen.receiver_count() > 0);
        watched.keys().copied().collect()
    }

    /// Of these, those that are not as they were looked at last.
    fn changed(&self, tasks: &[Uuid], revisions: &HashMap<Uuid, String>) -> Vec<Uuid> {
        let mut watched = self.lock();
        let mut changed = |task: &Uuid| {
            let Some(watched) = watched.get_mut(task) else { return false };
            let Some(now) = revisions.get(task) else {
                watched.seen.send_replace(Seen::Gone);
                return false;
            };
            let before = watched.revision.replace(now.clone());
            before.as_ref() != Some(now)
        };
        tasks.iter().copied().filter(|task| changed(task)).collect()
    }

    fn say(&self, task: Uuid, seen: Seen) {
        if let Some(watched) = self.lock().get_mut(&task) {
            watched.seen.send_replace(seen);
        }
    }
}

impl Service {
    /// Looks at what is watched for as long as the service is there.
    pub(super) async fn look_at_tasks(self) {
        let live = &self.0.live;
        loop {
            let tasks = live.tasks();
            if tasks.is_empty() {
                live.wake.notified().await;
                continue;
            }
            // A database that is away is asked again.
            if let Ok(revisions) = self.tasker().revisions(&tasks).await {
                for task in live.changed(&tasks, &revisions) {
                    match self.tasker().show(task).await {
                        Ok(Some(report)) => live.say(task, Seen::Report(Arc::new(report))),
                        Ok(None) => live.say(task, Seen::Gone),
                        Err(_) => live.look_at(task),
                    }
                }
            }
            sleep(PAUSE).await;
            tokio::select! {
                () = live.wake.notified() => {}
                () = sleep(LOOK - PAUSE) => {}
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_credential_are_bounded_and_give_their_places_back() {
        let live = Live::default();
        let mut places: Vec<Place> = (0..STREAMS_EACH).map(|_| live.place(Some("a")).unwrap()).collect();
        assert_eq!(live.place(Some("a")).err().unwrap().document()["code"], "too_many_streams");
        assert!(live.place(Some("b")).is_ok());
        places.pop();
        assert!(live.place(Some("a")).is_ok());
        drop(places);
        assert!(live.by_key.lock().unwrap().is_empty());
        assert_eq!(live.streams.available_permits(), STREAMS);
    }

    #[test]
    fn only_what_changed_is_looked_at_and_what_nobody_watches_is_forgotten() {
        let (live, task, other) = (Live::default(), Uuid::nil(), Uuid::max());
        let (seen, gone) = (live.watch(task), live.watch(other));
        let revisions = HashMap::from([(task, "1".to_owned())]);
        let tasks = live.tasks();
        assert_eq!((tasks.len(), live.changed(&tasks, &revisions)), (2, vec![task]));
        assert!(matches!(*gone.borrow(), Seen::Gone) && matches!(*seen.borrow(), Seen::Unknown));
        assert!(live.changed(&tasks, &revisions).is_empty());
        live.look_at(task);
        assert_eq!(live.changed(&tasks, &revisions), [task]);
        drop((seen, gone));
        assert!(live.tasks().is_empty());
    }
}
