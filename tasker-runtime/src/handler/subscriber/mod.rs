//! Functions that hear domain events: what is known about one, and how it is called.
//!
//! `#[event_subscriber]` writes an [`EventSubscriber`] beside a function and has it collected at link time;
//! [`crate::subscribers!`] lists them where a program prefers to say what it has.

mod event;

use std::{fmt, future::Future, pin::Pin, time::Duration};

use tasker_template::Backoff;

pub use self::event::{Event, FromEvent, Heard};
use super::{
    Need,
    annotated::Place,
    returned::{StepFailure, StepReturn},
};
use crate::model::{Retry, StepError};

/// What `#[event_subscriber]` writes about a function, as a constant.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct SubscriberSpec {
    pub(crate) name: &'static str,
    pub(crate) patterns: &'static [&'static str],
    pub(crate) needs: &'static [&'static [Need]],
    pub(crate) place: Place,
    pub(crate) fast: bool,
    pub(crate) concurrency: u32,
    pub(crate) retry: Retry,
    pub(crate) timeout: Duration,
    pub(crate) from_start: bool,
    pub(crate) ordered: bool,
    pub(crate) namespaces: &'static [&'static str],
}

impl SubscriberSpec {
    #[must_use]
    pub const fn new(
        name: &'static str,
        patterns: &'static [&'static str],
        needs: &'static [&'static [Need]],
        place: Place,
    ) -> Self {
        let retry = Retry {
            max_attempts: 10,
            backoff: Backoff::Exponential,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(5 * 60),
            max_suggested: Duration::from_secs(60 * 60),
        };
        Self {
            name,
            patterns,
            needs,
            place,
            fast: false,
            concurrency: 8,
            retry,
            timeout: Duration::from_secs(30),
            from_start: false,
            ordered: true,
            namespaces: &[],
        }
    }

    #[must_use]
    pub const fn fast(mut self) -> Self {
        self.fast = true;
        self
    }

    #[must_use]
    pub const fn concurrency(mut self, at_once: u32) -> Self {
        self.concurrency = at_once;
        self
    }

    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.retry.max_attempts = attempts;
        self
    }

    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.retry.backoff = backoff;
        self
    }

    #[must_use]
    pub const fn base(mut self, delay: Duration) -> Self {
        self.retry.base = delay;
        self
    }

    #[must_use]
    pub const fn max(mut self, delay: Duration) -> Self {
        self.retry.cap = delay;
        self.retry.max_suggested = delay;
        self
    }

    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    #[must_use]
    pub const fn from_start(mut self) -> Self {
        self.from_start = true;
        self
    }

    #[must_use]
    pub const fn unordered(mut self) -> Self {
        self.ordered = false;
        self
    }

    #[must_use]
    pub const fn namespaces(mut self, namespaces: &'static [&'static str]) -> Self {
        self.namespaces = namespaces;
        self
    }
}

/// What a call of a subscriber comes to.
#[doc(hidden)]
pub type Hearing = Pin<Box<dyn Future<Output = Result<(), StepError>> + Send>>;

/// A function with `#[event_subscriber]`, as the type beside it.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` hears no events: it has no `#[event_subscriber]`",
    label = "no event subscriber"
)]
pub trait EventSubscriber {
    /// What its attribute says.
    const SPEC: SubscriberSpec;

    /// Takes the parameters and calls it.
    fn call(heard: Heard) -> Hearing;
}

/// A function that hears events, ready to be given to a program: see [`crate::subscribers!`].
#[derive(Clone, Copy)]
pub struct Subscriber {
    spec: SubscriberSpec,
    call: fn(Heard) -> Hearing,
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name(), self.place())
    }
}

impl Subscriber {
    /// Every subscriber that is linked into the program, in no particular order.
    pub(crate) fn linked() -> impl Iterator<Item = Self> {
        inventory::iter::<LinkedSubscriber>.into_iter().map(|linked| (linked.0)())
    }

    /// The name of its subscription.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.spec.name
    }

    /// The patterns of the events that it hears.
    #[must_use]
    pub fn patterns(&self) -> &'static [&'static str] {
        self.spec.patterns
    }

    /// Whether it hears events of this process alone, at most once.
    #[must_use]
    pub fn is_fast(&self) -> bool {
        self.spec.fast
    }

    /// `file:line`, where it is written.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.spec.place.file(), self.spec.place.line())
    }

    pub(crate) fn spec(&self) -> &SubscriberSpec {
        &self.spec
    }

    /// The call, which begins once it is polled.
    pub(crate) fn call(&self, heard: Heard) -> Hearing {
        (self.call)(heard)
    }
}

/// The subscriber `S`.
#[doc(hidden)]
#[must_use]
pub fn subscriber<S: EventSubscriber>() -> Subscriber {
    Subscriber { spec: S::SPEC, call: S::call }
}

/// What is collected at link time.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct LinkedSubscriber(pub fn() -> Subscriber);

inventory::collect!(LinkedSubscriber);

/// The call of a function, for expanded code.
#[doc(hidden)]
pub fn hearing(call: impl Future<Output = Result<(), StepError>> + Send + 'static) -> Hearing {
    Box::pin(call)
}

/// The call of a subscriber that did not compile.
#[doc(hidden)]
#[must_use]
pub fn never_heard() -> Hearing {
    Box::pin(std::future::pending())
}

/// What a subscriber may return besides its errors.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a subscriber returns `()` or `Result<(), E>`, found `{Self}`: nobody would read it",
    label = "nobody reads this"
)]
pub trait NothingToRead {}

impl NothingToRead for () {}

/// The end of a call.
///
/// # Errors
/// The failure of the function.
#[doc(hidden)]
pub fn heard<How, const OWN: bool, R, Into>(returned: R) -> Result<(), StepError>
where
    R: StepReturn<How>,
    R::Output: NothingToRead,
    R::Error: StepFailure<OWN, Into>,
{
    returned.split().map(drop).map_err(StepFailure::into_step_error)
}

/// A list of functions with `#[event_subscriber]`, for a program that says itself what it has:
/// `.subscribers(subscribers![ledger, mails]).auto_discover(false)`.
///
/// ```
/// use tasker_runtime::{prelude::*, subscribers};
///
/// #[event_subscriber("order.*", name = "count_orders")]
/// async fn count(event: Event<Json>) {
///     println!("{} of {}", event.name, event.task);
/// }
///
/// assert_eq!(subscribers![count].map(|subscriber| subscriber.name()), ["count_orders"]);
/// ```
#[macro_export]
macro_rules! subscribers {
    ($($subscriber:path),* $(,)?) => {
        [$({
            type __Subscriber = $subscriber;
            $crate::__private::subscriber::<__Subscriber>()
        }),*]
    };
}
