//! Shows other processes on the same SQLite file that this one lives.
//!
//! A worker keeps a lock on a small file beside the database for as long as its process exists; the
//! system frees it however the process ends. So its tasks need not wait for their lease to run out. On
//! PostgreSQL, where workers may be on other machines, and in memory there is nothing to show.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use super::Store;
use crate::model::WorkerId;

/// The sign of life of one worker, given for as long as this value exists.
#[derive(Debug)]
pub(crate) struct Presence {
    file: Option<(File, PathBuf)>,
}

impl Presence {
    /// Gives a sign of life for `worker`. Where that is not possible its lease alone counts.
    pub(crate) fn show(store: &Store, worker: WorkerId) -> Self {
        let file = store.path().and_then(|database| shown(&place(database, worker)));
        Self { file }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.file {
            // A file that stays is found without its lock, and removed then.
            let _ = fs::remove_file(path);
        }
    }
}

/// Whether `worker` gave a sign of life once and its process is gone.
pub(crate) fn is_gone(store: &Store, worker: WorkerId) -> bool {
    let Some(path) = store.path().map(|database| place(database, worker)) else { return false };
    let Ok(file) = File::open(&path) else { return false };
    match file.try_lock() {
        Ok(()) => {
            // Left behind by a process that was killed.
            let _ = fs::remove_file(&path);
            true
        }
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

/// The file at `path`, which nobody sees there without its lock: whoever did would take the worker for gone.
fn shown(path: &Path) -> Option<(File, PathBuf)> {
    let mut unseen = path.as_os_str().to_owned();
    unseen.push("-new");
    let file = File::create(&unseen).ok()?;
    file.try_lock().ok()?;
    fs::rename(&unseen, path).ok()?;
    Some((file, path.to_owned()))
}

fn place(database: &Path, worker: WorkerId) -> PathBuf {
    let mut name = database.file_name().unwrap_or_default().to_owned();
    name.push(format!("-worker-{}", worker.0));
    database.with_file_name(name)
}

#[cfg(all(test, feature = "sqlite"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;
    use crate::store::Options;

    #[tokio::test]
    async fn a_process_that_just_shows_itself_is_not_gone() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("t.db").display());
        let store = Store::open(&url, Options::default()).await.unwrap();
        for worker in (0..300).map(WorkerId) {
            let (stop, looking) = (AtomicBool::new(false), Barrier::new(2));
            let gone = std::thread::scope(|scope| {
                let looker = scope.spawn(|| {
                    looking.wait();
                    let mut gone = false;
                    while !stop.load(Ordering::Relaxed) && !gone {
                        gone = is_gone(&store, worker);
                    }
                    gone
                });
                looking.wait();
                let presence = Presence::show(&store, worker);
                stop.store(true, Ordering::Relaxed);
                let gone = looker.join().unwrap();
                drop(presence);
                gone
            });
            assert!(!gone, "worker {}", worker.0);
        }
    }

    #[tokio::test]
    async fn a_process_is_gone_once_its_lock_is() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("t.db").display());
        let store = Store::open(&url, Options::default()).await.unwrap();
        let worker = WorkerId(7);
        assert!(!is_gone(&store, worker), "it never showed itself");
        let mut presence = Presence::show(&store, worker);
        assert!(!is_gone(&store, worker), "it lives");
        // As when it is killed: the lock goes, the file stays.
        drop(presence.file.take());
        assert!(is_gone(&store, worker));
        assert!(!is_gone(&store, worker), "it is found gone once");
    }
}
