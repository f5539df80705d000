//! Runs one attempt of one step: permit, deadline, panic caught, outcome sent back.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{
    blocking::{Noted, Who},
    permits::PermitRequest,
    running::Running,
};
use crate::{
    clock::Clock,
    handler::{StepHandler, StepParts, TaskSequenceStep},
    model::{Attempt, Ended, Json, StepError, Timestamp, task_loop::AttemptEnded},
    orchestration::compiled::CompiledTemplate,
};

/// One attempt, ready to run.
pub(crate) struct Call {
    pub attempt: Attempt,
    pub step: TaskSequenceStep,
    pub plan: Arc<CompiledTemplate>,
    /// Its result is no longer wanted: the handler, which hears of it too, is dropped after its grace.
    pub cancel: CancellationToken,
    pub handler: Arc<dyn StepHandler>,
    pub timeout: Option<Duration>,
    /// How long a cancelled handler may take to come to an end.
    pub grace: Duration,
    pub clock: Clock,
    pub permit: PermitRequest,
    /// Where it is noted while its handler runs.
    pub running: Arc<Running>,
}

/// What came of an attempt.
pub(crate) enum Came {
    /// It ended.
    Ended(AttemptEnded),
    /// It waited so long for its permit that it is better lent to others.
    NoPermit(Attempt),
}

impl Call {
    /// Waits for its permit, runs the handler and tells `done` what came of it.
    pub(crate) async fn run(mut self, done: impl FnOnce(Came) + Send) {
        let Some(_permit) = self.permit.granted().await else { return done(Came::NoPermit(self.attempt)) };
        let started = self.clock.both();
        let started_at = started.0;
        // Told to stop before it began.
        let outcome =
            if self.step.parts().cancel.is_cancelled() { None } else { self.outcome(started).await };
        let finished_at = self.clock.now();
        let outcome = outcome.map(|outcome| outcome.and_then(|result| self.ended(result)));
        let attempt = self.attempt;
        let (outcome, said) = match &self.step.parts().events {
            Some(events) => (outcome.map(|outcome| events.problem().map_or(outcome, Err)), events.said()),
            None => (outcome, Vec::new()),
        };
        done(Came::Ended(AttemptEnded { attempt, started_at, finished_at, outcome, said }));
    }

    /// What a handler came to that did not fail.
    fn ended(&self, result: Json) -> Result<Ended, StepError> {
        if let Some(again) = self.step.asked_again() {
            return Ok(Ended::Again(again));
        }
        self.plan.check_schema(self.attempt.step, &result).map(|()| Ended::Done(result))
    }

    /// `None` when the handler was dropped because its result is no longer wanted.
    async fn outcome(&self, started: (Timestamp, Duration)) -> Option<Result<Json, StepError>> {
        // A handler may panic before its first await as well as after it.
        let call = pin!(async { self.handler.call_boxed(&self.step).await });
        let step = self.step.parts().name.clone();
        let who = Who { handler: self.handler.clone(), step, timeout: self.timeout };
        let mut handler = Noted::new(Caught(call), who);
        let at_once = poll_fn(|context| Poll::Ready(Pin::new(&mut handler).poll(context))).await;
        match at_once {
            Poll::Ready(outcome) => Some(without_panic(outcome)),
            // Timers and the room for them are for those alone that take a while.
            Poll::Pending => Box::pin(self.waited_for(handler, started)).await,
        }
    }

    /// Waits for a handler that was not done at once.
    async fn waited_for(
        &self,
        handler: impl Future<Output = MayPanic<Result<Json, StepError>>>,
        started: (Timestamp, Duration),
    ) -> Option<Result<Json, StepError>> {
        let cancelled = async {
            let StepParts { task, name, .. } = self.step.parts();
            let _noted = self.running.note(task.id, name.clone(), self.attempt.number, started);
            self.cancel.cancelled().await;
            self.clock.sleep(self.grace).await;
        };
        tokio::select! {
            biased;
            outcome = handler => Some(without_panic(outcome)),
            () = self.deadline() => Some(Err(self.timed_out())),
            () = cancelled => None,
        }
    }

    async fn deadline(&self) {
        match self.timeout {
            Some(timeout) => self.clock.sleep(timeout).await,
            None => std::future::pending().await,
        }
    }

    fn timed_out(&self) -> StepError {
        let limit = self.timeout.unwrap_or_default();
        StepError::retryable("TIMEOUT", format!("the attempt took longer than its timeout of {limit:?}"))
    }
}

/// What a future came to, or what it threw.
type MayPanic<T> = Result<T, Box<dyn Any + Send>>;

/// A panic is a failure of the attempt.
fn without_panic(outcome: MayPanic<Result<Json, StepError>>) -> Result<Json, StepError> {
    outcome.unwrap_or_else(|panic| {
        let message = format!("the handler panicked: {}", panic_message(&*panic));
        Err(StepError::retryable("PANIC", message))
    })
}

/// What a panic said.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is no text".to_owned())
}

/// A future whose panics are results.
pub(super) struct Caught<F>(pub(super) F);

impl<F: Future + Unpin> Future for Caught<F> {
    type Output = MayPanic<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.0).poll(context))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
