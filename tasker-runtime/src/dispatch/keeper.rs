//! A thread of its own for what keeps a process's leases: handlers that keep the threads of the runtime busy keep it
//! from nothing.

use std::thread;

use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::pulse::Pulses;

/// Runs `work` on a thread and a runtime of its own, under the eyes of `pulses`. It ends early with what is
/// returned, as with the runtime of the process.
pub(super) fn spawn(
    pulses: &Pulses,
    name: &'static str,
    work: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let (ended, end) = oneshot::channel::<()>();
    let (pulses, told) = (pulses.clone(), CancellationToken::new());
    let own = (pulses.clone(), told.clone());
    let thread = thread::Builder::new().name(format!("tasker {name}")).spawn(move || {
        let _ended = ended;
        let (pulses, told) = own;
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(async {
                tokio::select! {
                    () = told.cancelled() => {}
                    () = pulses.clone().watch(name, work) => {}
                }
            }),
            Err(error) => pulses.fail(&format!("the {name} of this worker has no runtime: {error}")),
        }
    });
    let keeper = match thread {
        Ok(thread) => Some(Keeper { told, thread: Some(thread) }),
        Err(error) => {
            pulses.fail(&format!("the {name} of this worker has no thread: {error}"));
            None
        }
    };
    tokio::spawn(async move {
        let _keeper = keeper;
        // Either way it says that the thread has ended.
        let _ = end.await;
    })
}

/// A running thread. Once this is dropped, nothing of it runs any more.
struct Keeper {
    told: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.told.cancel();
        if let Some(thread) = self.thread.take() {
            // What it threw is told where it was thrown.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[test]
    fn it_goes_on_while_the_runtime_is_kept_busy_and_ends_with_it() {
        let beats = Arc::new(AtomicU32::new(0));
        let counted = beats.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let work = async move {
                loop {
                    counted.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            };
            drop(spawn(&Pulses::new(), "heart", work));
            // This thread is the whole runtime.
            while beats.load(Ordering::SeqCst) < 3 {
                std::thread::yield_now();
            }
            beats
        });
    }

    #[test]
    fn nothing_of_it_runs_once_the_runtime_is_gone() {
        let held = Arc::new(());
        let own = held.clone();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move {
            let work = async move {
                let _own = own;
                std::future::pending::<()>().await;
            };
            spawn(&Pulses::new(), "heart", work).await.unwrap();
        });
        drop(runtime);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
