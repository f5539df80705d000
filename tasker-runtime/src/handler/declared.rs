//! What is known about a handler while the program is compiled.

use std::any::TypeId;
use std::fmt;
use std::time::Duration;

use serde_json::Value;
use tasker_template::{Backoff, RetryOptions};

use super::child::DeclaredChild;
use super::wait::{DeclaredSignal, DeclaredTimer};
use super::{Compensates, Endpoint, events::Publish};
use crate::model::StepError;

/// A type, by identity for the program and by name for people.
#[derive(Clone, Copy)]
pub struct TypeFacts {
    id: fn() -> TypeId,
    name: fn() -> &'static str,
}

impl TypeFacts {
    /// The facts of `T`.
    #[must_use]
    pub const fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>, name: std::any::type_name::<T> }
    }

    /// The identity.
    #[must_use]
    pub fn id(self) -> TypeId {
        (self.id)()
    }

    /// The full path, as the compiler writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        (self.name)()
    }
}

impl fmt::Debug for TypeFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that must be there for a handler to be called.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Need {
    /// Nothing: it is always there.
    Nothing,
    /// It is not known: the handler has a mistake, which the compiler names where it is.
    Unknown,
    /// The task's context.
    Context,
    /// One field of the context, by path.
    Input(&'static str),
    /// The result of another step.
    Step {
        /// What the other step's handler is called; the step itself has the same name or calls it.
        name: &'static str,
        /// The very type that the other step must return; `None`: any that has the right shape.
        exact: Option<TypeFacts>,
        /// Whether the handler copes with a branch that was not taken.
        optional: bool,
        /// The routes to which the other step, a decision, carries what is read; none: whatever it decides is read.
        carried: &'static [&'static str],
    },
    /// That the step of this name is over, whose result is not read.
    After(&'static str),
    /// A value that the program gives to all its handlers.
    State(TypeFacts),
    /// The step's `handler.initialization`, in a shape that this function accepts.
    Config(fn(&Value) -> Result<(), StepError>),
    /// What `#[api(…)]` says that it calls.
    Api,
    /// The batch at hand, for the extractor of this name.
    Batch(&'static str),
    /// Each of these, for an extractor that is made of others.
    All(&'static [Need]),
}

/// What a handler is besides a function from input to output.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Capability {
    /// Nothing else.
    #[default]
    Standard,
    /// It chooses among the steps after it: the names of its routes.
    Decision(&'static [&'static str]),
    /// It cuts work into batches: the name of the handler that works on them.
    BatchAnalyzer(&'static str),
    /// It works on one batch.
    BatchWorker,
    /// It is no handler: a step that waits for a signal.
    #[doc(hidden)]
    Signal(&'static DeclaredSignal),
    /// It is no handler: a step that waits for a time.
    #[doc(hidden)]
    Timer(&'static DeclaredTimer),
    /// It is no handler: a step that starts tasks of another workflow.
    #[doc(hidden)]
    Workflow(&'static DeclaredChild),
}

/// What `#[step_handler]` writes about a function, as a constant: the compiler checks workflows with it, and
/// the program makes a [`HandlerSpec`](super::HandlerSpec) of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Declared {
    /// Where the name counts; `None`: everywhere.
    pub namespace: Option<&'static str>,
    /// A semantic version, for people.
    pub version: Option<&'static str>,
    /// What it does, for people.
    pub description: Option<&'static str>,
    /// When a failed attempt is tried again, as far as a template says nothing else.
    pub retry: RetryOptions,
    /// The time one attempt may take, as far as a template says nothing else.
    pub timeout: Option<Duration>,
    /// The queue its steps go to, as far as a template says nothing else.
    pub queue: Option<&'static str>,
    /// How many calls may run at once in one process; `None`: as many as there is room for.
    pub concurrency: Option<u32>,
    /// How many rounds it goes at most, as far as a template says nothing else; `None`: it gives a result when it is
    /// called once.
    pub rounds: Option<u32>,
    /// What it is besides a function.
    pub capability: Capability,
    /// The HTTP API it calls, if it does.
    pub api: Option<&'static Endpoint>,
    /// The handler that it undoes; `None`: it is called by steps.
    pub compensates: Option<Compensates>,
    /// What it needs, one for each parameter.
    pub needs: &'static [Need],
    /// What it returns; `None`: not known.
    pub output: Option<TypeFacts>,
    /// The events it publishes, beside those that a template says.
    pub publishes: &'static [Publish],
}

impl Default for Declared {
    fn default() -> Self {
        Self::new()
    }
}

impl Declared {
    /// Nothing known.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            namespace: None,
            version: None,
            description: None,
            retry: RetryOptions { retryable: None, max_attempts: None, backoff: None, base: None, max: None },
            timeout: None,
            queue: None,
            concurrency: None,
            rounds: None,
            capability: Capability::Standard,
            api: None,
            compensates: None,
            needs: &[],
            output: None,
            publishes: &[],
        }
    }

    /// Has it publish events, beside those that a template says.
    #[doc(hidden)]
    #[must_use]
    pub const fn publishes(mut self, events: &'static [Publish]) -> Self {
        self.publishes = events;
        self
    }

    /// Sets the namespace in which the name counts.
    #[must_use]
    pub const fn namespace(mut self, namespace: &'static str) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// Sets the version.
    #[must_use]
    pub const fn version(mut self, version: &'static str) -> Self {
        self.version = Some(version);
        self
    }

    /// Sets the description.
    #[must_use]
    pub const fn description(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// Sets how often it is called in all, the first attempt included, 1 to 1,000.
    #[must_use]
    pub const fn attempts(mut self, max_attempts: u32) -> Self {
        self.retry.max_attempts = Some(max_attempts);
        self
    }

    /// Sets how the delay between attempts grows.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.retry.backoff = Some(backoff);
        self
    }

    /// Sets the delay after the first attempt, in whole milliseconds.
    #[must_use]
    pub const fn base(mut self, base: Duration) -> Self {
        self.retry.base = Some(base);
        self
    }

    /// Sets the longest delay, in whole milliseconds.
    #[must_use]
    pub const fn max(mut self, max: Duration) -> Self {
        self.retry.max = Some(max);
        self
    }

    /// Sets the time one attempt may take, in whole milliseconds.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the queue.
    #[must_use]
    pub const fn queue(mut self, queue: &'static str) -> Self {
        self.queue = Some(queue);
        self
    }

    /// Sets how many calls may run at once in one process, from 1.
    #[must_use]
    pub const fn concurrency(mut self, calls: u32) -> Self {
        self.concurrency = Some(calls);
        self
    }

    /// Says that it goes round, and how often at most, from 1.
    #[must_use]
    pub const fn rounds(mut self, most: u32) -> Self {
        self.rounds = Some(most);
        self
    }

    /// Sets the HTTP API it calls.
    #[must_use]
    pub const fn api(mut self, endpoint: &'static Endpoint) -> Self {
        self.api = Some(endpoint);
        self
    }

    /// Sets the handler that it undoes. No step can call it then.
    #[must_use]
    pub const fn compensates(mut self, handler: Compensates) -> Self {
        self.compensates = Some(handler);
        self
    }

    /// Sets what it needs, one for each parameter.
    #[must_use]
    pub const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    /// Sets what it returns.
    #[must_use]
    pub const fn returns<T: 'static>(mut self) -> Self {
        self.output = Some(TypeFacts::of::<T>());
        self
    }

    /// Says that it chooses among the steps after it, of which these are its routes.
    #[must_use]
    pub const fn decision(mut self, routes: &'static [&'static str]) -> Self {
        self.capability = Capability::Decision(routes);
        self
    }

    /// Says that it cuts work into batches for the handler `worker`.
    #[must_use]
    pub const fn batch_analyzer(mut self, worker: &'static str) -> Self {
        self.capability = Capability::BatchAnalyzer(worker);
        self
    }

    /// Says that it is a step that waits for a signal.
    #[doc(hidden)]
    #[must_use]
    pub const fn signal(mut self, signal: &'static DeclaredSignal) -> Self {
        self.capability = Capability::Signal(signal);
        self
    }

    /// Says that it is a step that waits for a time.
    #[doc(hidden)]
    #[must_use]
    pub const fn timer(mut self, timer: &'static DeclaredTimer) -> Self {
        self.capability = Capability::Timer(timer);
        self
    }

    /// Says that it is a step that starts tasks of another workflow.
    #[doc(hidden)]
    #[must_use]
    pub const fn workflow(mut self, child: &'static DeclaredChild) -> Self {
        self.capability = Capability::Workflow(child);
        self
    }

    /// Says that it works on one batch.
    #[must_use]
    pub const fn batch_worker(mut self) -> Self {
        self.capability = Capability::BatchWorker;
        self
    }
}
