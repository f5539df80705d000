//! Which handlers keep a thread of the runtime to themselves, and for how long.
//!
//! While a handler is polled, its thread does nothing else. One that computes for long, or waits in a way the
//! runtime knows nothing of, keeps everything waiting that would run there. It is noted here for the length of each
//! poll, which costs two locks that nobody else wants; a thread that is no part of the runtime looks on.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use crate::handler::StepHandler;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(500);
/// From then on it is told.
const LONG: Duration = Duration::from_secs(1);
/// At least this long lies between two lines about one handler.
const QUIET: Duration = Duration::from_secs(10);

/// Who is polled.
#[derive(Clone)]
pub(super) struct Who {
    pub handler: Arc<dyn StepHandler>,
    pub step: Arc<str>,
    /// How long the attempt may take.
    pub timeout: Option<Duration>,
}

/// A future whose polls are noted.
pub(super) struct Noted<F> {
    inner: F,
    /// In the place of its thread while it is polled.
    who: Option<Who>,
}

impl<F> Noted<F> {
    pub(super) fn new(inner: F, who: Who) -> Self {
        Self { inner, who: Some(who) }
    }
}

/// What one thread does for a handler.
#[derive(Default)]
struct Thread(Mutex<Polled>);

#[derive(Default)]
struct Polled {
    /// How many polls began on this thread.
    polls: u64,
    now: Option<Who>,
}

static THREADS: Mutex<Vec<Weak<Thread>>> = Mutex::new(Vec::new());

thread_local! {
    static THREAD: Arc<Thread> = {
        let thread = Arc::<Thread>::default();
        let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|other| other.strong_count() > 0);
        threads.push(Arc::downgrade(&thread));
        thread
    };
}

/// Notes who is polled on this thread from now on, and returns who was.
fn note(who: Option<Who>) -> Option<Who> {
    let noted = THREAD.try_with(|thread| {
        let mut polled = thread.0.lock().unwrap_or_else(PoisonError::into_inner);
        polled.polls += u64::from(who.is_some());
        std::mem::replace(&mut polled.now, who)
    });
    // A thread that is ending polls nothing more.
    noted.unwrap_or_default()
}

impl<F: Future + Unpin> Future for Noted<F> {
    type Output = F::Output;

    /// The inner future does not panic: what its handler throws is caught below it.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let around = note(self.who.take());
        let polled = Pin::new(&mut self.inner).poll(context);
        self.who = note(around);
        polled
    }
}

/// The handlers that keep a thread to themselves, as one who looks again and again sees them.
#[derive(Default)]
pub(crate) struct Blocked {
    /// Of each thread, the poll that was seen there last, and when first.
    seen: Mutex<HashMap<usize, (u64, Instant)>>,
    /// Those of the last look, and for how long.
    now: Mutex<Vec<(Who, Duration)>>,
}

impl Blocked {
    /// Looks, and tells of those that keep their threads for long, until it is dropped.
    pub(super) async fn watch(&self) {
        let mut told: HashMap<String, Instant> = HashMap::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = Instant::now();
            for (Who { handler, step, .. }, since) in
                self.look(now).into_iter().filter(|(_, since)| *since >= LONG)
            {
                let (handler, seconds) = (handler.name(), since.as_secs_f64());
                if told.get(handler).is_some_and(|told| now.duration_since(*told) < QUIET) {
                    continue;
                }
                told.insert(handler.to_owned(), now);
                tracing::warn!(
                    handler,
                    step = &*step,
                    "handler `{handler}` has kept a thread to itself for {seconds:.1} s, and all else on it waiting: \
                     use `tokio::task::spawn_blocking` for such work"
                );
            }
        }
    }

    fn look(&self, now: Instant) -> Vec<(Who, Duration)> {
        let threads: Vec<Arc<Thread>> = {
            let threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
            threads.iter().filter_map(Weak::upgrade).collect()
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *seen);
        let mut blocked = Vec::new();
        for thread in threads {
            let place = Arc::as_ptr(&thread) as usize;
            let polled = thread.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(who) = &polled.now else { continue };
            let since =
                before.get(&place).filter(|(polls, _)| *polls == polled.polls).map_or(now, |(_, at)| *at);
            if since < now {
                blocked.push((who.clone(), now.duration_since(since)));
            }
            seen.insert(place, (polled.polls, since));
        }
        drop(seen);
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&blocked);
        blocked
    }

    /// Whether handlers keep so many threads to themselves, none for longer than its attempt may take: what stands
    /// still meanwhile does so because of them, and goes on after them.
    pub(super) fn keep_all(&self, threads: usize) -> bool {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let may = |(who, since): &&(Who, Duration)| who.timeout.is_none_or(|timeout| *since <= timeout);
        now.iter().filter(may).count() >= threads.max(1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::{
        handler::TaskSequenceStep,
        model::{Json, StepError},
    };

    struct Busy;

    impl StepHandler for Busy {
        fn name(&self) -> &str {
            "busy"
        }

        async fn call(&self, _: &TaskSequenceStep) -> Result<Json, StepError> {
            Ok(Json::null())
        }
    }

    #[test]
    fn handler_that_keeps_its_thread_is_seen_from_outside_for_as_long_as_it_does() {
        let (blocked, (go, wait), (begun, begins)) =
            (Blocked::default(), mpsc::channel::<()>(), mpsc::channel());
        let who =
            Who { handler: Arc::new(Busy), step: "work".into(), timeout: Some(Duration::from_secs(60)) };
        let thread = std::thread::spawn(move || {
            let work = std::future::poll_fn(|_| {
                begun.send(()).unwrap();
                let _ = wait.recv();
                Poll::Ready(())
            });
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(Noted::new(work, who));
        });
        begins.recv().unwrap();
        let start = Instant::now();
        let seen = |after: u64| {
            let busy = blocked.look(start + Duration::from_secs(after));
            busy.into_iter().filter(|(who, _)| who.handler.name() == "busy").map(|(_, since)| since).next()
        };
        assert_eq!(seen(0), None, "it may have begun just now");
        assert_eq!(seen(7), Some(Duration::from_secs(7)));
        assert!(blocked.keep_all(1) && !blocked.keep_all(99));
        assert_eq!(seen(70), Some(Duration::from_secs(70)));
        assert!(!blocked.keep_all(1), "longer than its attempt may take");
        drop(go);
        thread.join().unwrap();
        assert_eq!(seen(71), None);
    }
}
