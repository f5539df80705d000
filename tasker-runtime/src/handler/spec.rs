//! What is known about a handler before it is called.

use std::sync::Arc;
use std::time::Duration;

use tasker_template::{Backoff, PublishedEvent, RetryOptions};

use super::{Capability, Compensates, Declared, Endpoint, Need, TypeFacts};
use crate::model::HandlerKey;

/// What a handler is besides a function from input to output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Nothing else.
    #[default]
    Standard,
    /// It chooses among the steps after it: the names of its routes.
    Decision(Vec<Arc<str>>),
    /// It cuts work into batches: the name of the handler that works on them.
    BatchAnalyzer(Arc<str>),
    /// It works on one batch.
    BatchWorker,
}

/// The handler that another one compensates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compensated {
    /// What the registry finds it by.
    pub key: HandlerKey,
    /// Its name, as the compensating handler refers to it.
    pub name: Arc<str>,
}

/// What is known about a handler before it is called: what it wants to be run with, what it needs
/// and what it returns.
///
/// `#[step_handler]` says it. A handler written by hand returns one from
/// [`crate::handler::StepHandler::spec`]:
///
/// ```
/// use std::time::Duration;
/// use tasker_runtime::handler::HandlerSpec;
///
/// let spec = HandlerSpec::new().timeout(Duration::from_secs(30)).version("1.2.0");
/// assert_eq!(spec.version.as_deref(), Some("1.2.0"));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HandlerSpec {
    /// Where the name counts; `None`: everywhere.
    pub namespace: Option<Arc<str>>,
    /// A semantic version, for people.
    pub version: Option<Arc<str>>,
    /// What it does, for people.
    pub description: Option<Arc<str>>,
    /// When a failed attempt is tried again, as far as a template says nothing else.
    pub retry: RetryOptions,
    /// The time one attempt may take, as far as a template says nothing else.
    pub timeout: Option<Duration>,
    /// The queue its steps go to, as far as a template says nothing else.
    pub queue: Option<Arc<str>>,
    /// How many calls may run at once in one process; `None`: as many as there is room for.
    pub concurrency: Option<u32>,
    /// How many rounds it goes at most, as far as a template says nothing else; `None`: it gives a result when it is
    /// called once.
    pub rounds: Option<u32>,
    /// What it is besides a function.
    pub role: Role,
    /// The HTTP API it calls, if it does.
    pub api: Option<&'static Endpoint>,
    /// The handler that it compensates; `None`: it is called by steps.
    pub compensates: Option<Compensated>,
    /// What it needs, one for each parameter; lists within lists are flattened.
    pub needs: Vec<Need>,
    /// What it returns; `None`: not known.
    pub output: Option<TypeFacts>,
    /// The events it publishes, beside those that a template says.
    pub publishes: Vec<PublishedEvent>,
}

impl HandlerSpec {
    /// Nothing known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the namespace in which the name counts.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<Arc<str>>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Sets the version.
    #[must_use]
    pub fn version(mut self, version: impl Into<Arc<str>>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Sets the description.
    #[must_use]
    pub fn description(mut self, description: impl Into<Arc<str>>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets how often it is called in all, the first attempt included, 1 to 1,000.
    #[must_use]
    pub fn attempts(mut self, max_attempts: u32) -> Self {
        self.retry.max_attempts = Some(max_attempts);
        self
    }

    /// Sets how the delay between attempts grows.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.retry.backoff = Some(backoff);
        self
    }

    /// Sets the delay after the first attempt, in whole milliseconds.
    #[must_use]
    pub fn base(mut self, base: Duration) -> Self {
        self.retry.base = Some(base);
        self
    }

    /// Sets the longest delay, in whole milliseconds.
    #[must_use]
    pub fn max(mut self, max: Duration) -> Self {
        self.retry.max = Some(max);
        self
    }

    /// Sets the time one attempt may take, in whole milliseconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the queue.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<Arc<str>>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// Sets how many calls may run at once in one process, from 1.
    #[must_use]
    pub fn concurrency(mut self, calls: u32) -> Self {
        self.concurrency = Some(calls);
        self
    }

    /// Says that it goes round, and how often at most, 1 to 1,000,000: see [`Loop`](crate::handler::Loop).
    #[must_use]
    pub fn rounds(mut self, most: u32) -> Self {
        self.rounds = Some(most);
        self
    }

    /// Sets the HTTP API it calls.
    #[must_use]
    pub fn api(mut self, endpoint: &'static Endpoint) -> Self {
        self.api = Some(endpoint);
        self
    }

    /// Sets the handler that it compensates, by its key: the name, after the namespace if it has one. No step
    /// can call it then.
    #[must_use]
    pub fn compensates(mut self, handler: &str) -> Self {
        self.compensates = Some(Compensated { key: handler.into(), name: handler.into() });
        self
    }

    /// Sets what it needs, one for each parameter.
    #[must_use]
    pub fn needs(mut self, needs: &[Need]) -> Self {
        self.needs = flattened(needs);
        self
    }

    /// Sets what it returns.
    #[must_use]
    pub fn returns<T: 'static>(mut self) -> Self {
        self.output = Some(TypeFacts::of::<T>());
        self
    }

    /// Has it publish an event, beside those that a template says.
    #[must_use]
    pub fn publishes(mut self, event: PublishedEvent) -> Self {
        self.publishes.push(event);
        self
    }

    /// Says that it chooses among the steps after it, of which these are its routes.
    #[must_use]
    pub fn decision(mut self, routes: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.role = Role::Decision(routes.into_iter().map(|route| route.as_ref().into()).collect());
        self
    }

    /// Says that it cuts work into batches for the handler `worker`.
    #[must_use]
    pub fn batch_analyzer(mut self, worker: impl Into<Arc<str>>) -> Self {
        self.role = Role::BatchAnalyzer(worker.into());
        self
    }

    /// Says that it works on one batch.
    #[must_use]
    pub fn batch_worker(mut self) -> Self {
        self.role = Role::BatchWorker;
        self
    }
}

impl From<&Declared> for HandlerSpec {
    fn from(declared: &Declared) -> Self {
        Self {
            namespace: declared.namespace.map(Into::into),
            version: declared.version.map(Into::into),
            description: declared.description.map(Into::into),
            retry: declared.retry.clone(),
            timeout: declared.timeout,
            queue: declared.queue.map(Into::into),
            concurrency: declared.concurrency,
            rounds: declared.rounds,
            role: match declared.capability {
                Capability::Standard
                | Capability::Signal(_)
                | Capability::Timer(_)
                | Capability::Workflow(_) => Role::Standard,
                Capability::Decision(routes) => {
                    // Two paths may lead to one handler.
                    let first = |&(index, route): &(usize, &&str)| !routes[..index].contains(route);
                    let routes = routes.iter().enumerate().filter(first);
                    Role::Decision(routes.map(|(_, &route)| route.into()).collect())
                }
                Capability::BatchAnalyzer(worker) => Role::BatchAnalyzer(worker.into()),
                Capability::BatchWorker => Role::BatchWorker,
            },
            api: declared.api,
            compensates: declared.compensates.map(Into::into),
            needs: flattened(declared.needs),
            output: declared.output,
            publishes: declared.publishes.iter().map(Into::into).collect(),
        }
    }
}

impl From<Compensates> for Compensated {
    fn from(declared: Compensates) -> Self {
        Self { key: HandlerKey::new(declared.namespace, declared.name), name: declared.name.into() }
    }
}

fn flattened(needs: &[Need]) -> Vec<Need> {
    let mut all = Vec::new();
    let mut open = vec![needs];
    while let Some(needs) = open.pop() {
        for need in needs {
            match need {
                Need::Nothing | Need::Unknown => {}
                Need::All(more) => open.push(more),
                other => all.push(*other),
            }
        }
    }
    all
}
