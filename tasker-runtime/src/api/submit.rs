//! Adds tasks.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{
    Submission, SubmitError, Tasker, WaitError, Watch,
    typed::{self, Answer, AsContext, ContextOf, ReadAs, Runs},
    wait::Leaves,
};
use crate::{
    dispatch::{notify::Notification, submitter::Order},
    model::TaskState,
    orchestration::{
        submission,
        submit::{self, Added, Key, Request},
    },
    registry::catalog::Known,
    store::CallerTransaction,
};

/// A task that was added, or was there already.
pub(super) struct Submitted {
    pub task: Uuid,
    /// This process holds it from the start.
    held: bool,
}

impl Tasker {
    /// Adds a task. Once this returns, it is durable.
    ///
    /// Submissions that arrive together share a commit. A process with room holds its own from the start, which
    /// saves taking them from the queue.
    ///
    /// # Errors
    /// When there is no such template, the context does not fit it, the idempotency key was used with another
    /// context, or the database does not answer.
    pub async fn submit(&self, submission: Submission) -> Result<Uuid, SubmitError> {
        let (request, _) = self.request(Uuid::now_v7(), submission)?;
        Ok(self.add(request).await?.task)
    }

    /// Adds a task and watches it from its first moment.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn submit_watched(&self, submission: Submission) -> Result<Watch, SubmitError> {
        let id = Uuid::now_v7();
        let (request, _) = self.request(id, submission)?;
        let watch = self.watch(id);
        let task = self.add(request).await?.task;
        Ok(if task == id { watch } else { self.watch(task) })
    }

    /// Adds many tasks, all or none, in one transaction; returns their ids in the order of the submissions.
    ///
    /// An idempotency key that was used before with the same context gives the task that is there already, as
    /// for a single submission.
    ///
    /// ```
    /// # use tasker_runtime::{Tasker, api::Submission, prelude::*};
    /// #[step_handler]
    /// async fn greet(name: String) -> String {
    ///     format!("hello {name}")
    /// }
    ///
    /// workflow!(greeting = [greet]);
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # std::env::set_current_dir(std::env::temp_dir())?;
    /// let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
    /// let to = |name: &str| Submission::to("greeting").context(name).map(|to| to.idempotency_key(name));
    /// let first = tasker.submit_all([to("ada")?, to("grace")?]).await?;
    /// let again = tasker.submit_all([to("grace")?, to("edsger")?]).await?;
    /// assert_eq!(again[0], first[1]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`submit`](Self::submit), for the first that is refused.
    pub async fn submit_all(
        &self,
        submissions: impl IntoIterator<Item = Submission>,
    ) -> Result<Vec<Uuid>, SubmitError> {
        let mut orders = Vec::new();
        for submission in submissions {
            let (request, _) = self.request(Uuid::now_v7(), submission)?;
            orders.push(self.order(request));
        }
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let asked = orders.iter().map(|Order { request, .. }| {
            (request.task.uuid, request.task.queue.clone(), request.key.clone())
        });
        let asked: Vec<(Uuid, String, Option<Key>)> = asked.collect();
        let cancels = orders.iter().any(|order| order.request.cancels());
        let added = self.inner.submitter.submit_all(orders).await?;
        let mut queues = BTreeSet::new();
        let mut tasks = Vec::with_capacity(asked.len());
        for ((id, queue, key), added) in asked.iter().zip(added) {
            let submitted = submitted(*id, key.as_ref(), added)?;
            if submitted.task == *id && !submitted.held {
                queues.insert(queue);
            }
            tasks.push(submitted.task);
        }
        queues.into_iter().for_each(|queue| self.say_due(queue));
        if cancels {
            self.tell_of_command();
        }
        Ok(tasks)
    }

    /// Adds a task inside the caller's own transaction: it is there when, and only when, that commits.
    ///
    /// The transaction must be on the database this Tasker uses; on PostgreSQL the tables are found by
    /// their schema, whatever the search path. Workers see the task at their next look at the latest. A
    /// submission with an idempotency key that another open transaction has used waits for the end of that.
    ///
    /// # Errors
    /// As [`submit`](Self::submit). When the key was used with another context, nothing was written and the
    /// transaction goes on; after an error of the database it cannot.
    pub async fn submit_in(
        &self,
        transaction: impl Into<CallerTransaction<'_>>,
        submission: Submission,
    ) -> Result<Uuid, SubmitError> {
        let id = Uuid::now_v7();
        let (request, _) = self.request(id, submission)?;
        let added = submit::submit_in(&mut transaction.into(), &request).await?;
        Ok(submitted(id, request.key.as_ref(), added)?.task)
    }

    /// Adds a task, waits for it and returns its result.
    ///
    /// A workflow that has a name in code is given by that name, and the compiler knows its types; any other
    /// by the name of its template as text.
    ///
    /// Where this process runs the task, the result comes from memory: the database is asked for nothing but to
    /// keep the task and what its steps return.
    ///
    /// # Errors
    /// When the task was not added, came to rest without a result, or its result is no `T`.
    pub fn run<T, W, C, WC, WO>(&self, workflow: W, context: &C) -> Answer<'_, T, WaitError>
    where
        T: DeserializeOwned + 'static,
        W: Runs<WC, WO>,
        C: ?Sized + ContextOf<W, WC>,
        C::Written: AsContext,
        WO: ReadAs<W, T>,
    {
        let task = typed::task(&workflow, context);
        Box::pin(async move { self.finish(task?).await })
    }

    /// Adds a task, waits for it and returns its result.
    pub(crate) async fn finish<T: DeserializeOwned>(&self, submission: Submission) -> Result<T, WaitError> {
        let id = Uuid::now_v7();
        let (request, known) = self.request(id, submission)?;
        let leaves = Leaves::of(&known.template);
        let ending = self.ending(id, leaves.steps.clone(), true);
        let Submitted { task, held } = self.add(request).await?;
        if let Some(ending) = ending.as_ref().filter(|_| !held) {
            ending.doubt();
        }
        let outcome = self.until_rest(task, ending, Some(leaves), held).await?;
        if outcome.state != TaskState::Complete {
            return Err(WaitError::Unsuccessful { task, state: outcome.state, cause: outcome.cause });
        }
        outcome.result()
    }

    /// Adds the task of a request with a key, unless that key was used, with whatever input; the task it stands for.
    pub(super) async fn submit_once(&self, request: Request) -> Result<Uuid, SubmitError> {
        match self.add(request).await {
            Ok(Submitted { task, .. }) | Err(SubmitError::KeyReused { task, .. }) => Ok(task),
            Err(error) => Err(error),
        }
    }

    /// Says here and elsewhere that a queue has work.
    pub(super) fn say_due(&self, queue: &str) {
        self.inner.notifier.notify(Notification::Queue(queue.to_owned()));
        if let Some(engine) = &self.inner.engine {
            engine.queue_has_work(queue);
        }
    }

    pub(super) fn request(&self, id: Uuid, submission: Submission) -> Result<(Request, &Known), SubmitError> {
        let (request, known) =
            submission::request(&self.inner.catalog, id, submission, self.inner.clock.now())?;
        self.inner.store.check_size("context", &request.task.context)?;
        Ok((request, known))
    }

    /// The order for a task, which this process is to hold from the start where it is due and there is room.
    fn order(&self, request: Request) -> Order {
        let due = request.task.run_at <= request.task.created_at && request.task.turns.is_empty();
        let engine = self.inner.engine.as_ref().filter(|_| due);
        Order { room: engine.and_then(|engine| engine.reserve(&request.task.queue)), request }
    }

    pub(super) async fn add(&self, request: Request) -> Result<Submitted, SubmitError> {
        let order = self.order(request);
        let Request { task, key } = &order.request;
        let (id, queue, key) = (task.uuid, task.queue.clone(), key.clone());
        let cancels = order.request.cancels();
        let added = self.inner.submitter.submit(order).await?;
        let submitted = submitted(id, key.as_ref(), added)?;
        if submitted.task == id && !submitted.held {
            self.say_due(&queue);
        }
        if cancels {
            self.tell_of_command();
        }
        Ok(submitted)
    }
}

/// What became of the task `id`, which was to be added with this key.
fn submitted(id: Uuid, key: Option<&Key>, added: Added) -> Result<Submitted, SubmitError> {
    match added {
        Added::New { held, .. } => Ok(Submitted { task: id, held }),
        Added::Used { task, same_input: true } | Added::Skipped { task } => {
            Ok(Submitted { task, held: false })
        }
        Added::Used { task, same_input: false } => {
            Err(SubmitError::KeyReused { key: key.map(|key| key.key.clone()).unwrap_or_default(), task })
        }
    }
}
