//! The attribute macros of `tasker-runtime`, which re-exports them.

mod async_trait;
mod child;
mod duration;
mod errors;
mod from_step;
mod graph;
mod items;
mod named;
mod names;
mod options;
mod place;
mod routes;
mod runtime;
mod step_error;
mod step_handler;
mod subscriber;
mod template;
mod wait;
mod words;
mod workflow;

use proc_macro::TokenStream;

#[doc = include_str!("../docs/step_handler.md")]
#[proc_macro_attribute]
pub fn step_handler(attribute: TokenStream, item: TokenStream) -> TokenStream {
    step_handler::step_handler(attribute.into(), &item.into()).into()
}

#[doc = include_str!("../docs/step_handlers.md")]
#[proc_macro_attribute]
pub fn step_handlers(attribute: TokenStream, item: TokenStream) -> TokenStream {
    step_handler::step_handlers(&attribute.into(), &item.into()).into()
}

#[doc = include_str!("../docs/signal.md")]
#[proc_macro_attribute]
pub fn signal(attribute: TokenStream, item: TokenStream) -> TokenStream {
    wait::signal(attribute.into(), item.into()).into()
}

#[doc = include_str!("../docs/event_subscriber.md")]
#[proc_macro_attribute]
pub fn event_subscriber(attribute: TokenStream, item: TokenStream) -> TokenStream {
    subscriber::event_subscriber(attribute.into(), &item.into()).into()
}

#[doc = include_str!("../docs/child_workflow.md")]
#[proc_macro_attribute]
pub fn child_workflow(attribute: TokenStream, item: TokenStream) -> TokenStream {
    child::child_workflow(attribute.into(), item.into()).into()
}

#[doc = include_str!("../docs/timer.md")]
#[proc_macro_attribute]
pub fn timer(attribute: TokenStream, item: TokenStream) -> TokenStream {
    wait::timer(attribute.into(), item.into()).into()
}

/// Declares the attributes that add a capability to a handler.
macro_rules! capabilities {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[proc_macro_attribute]
        pub fn $name(attribute: TokenStream, item: TokenStream) -> TokenStream {
            step_handler::stand_alone(stringify!($name), &attribute.into(), &item.into()).into()
        }
    )+};
}

capabilities! {
    /// Gives a handler a client for an HTTP API, which it takes as a parameter `Api`.
    ///
    /// - `base_url = "https://…"`: where the API is; paths are appended to it.
    /// - `config = "payments"`: the section `[api.payments]` of `config/tasker.toml` says where it is, and
    ///   whatever else it says goes before what stands here.
    /// - `timeout = "10s"`: how long a call may take, with everything it waits for; 30 seconds without it.
    /// - `headers = { "Accept-Language" = "en" }`: sent with every call. `${NAME}` stands for a variable of
    ///   the environment; headers that carry secrets must have one.
    /// - `max_response_bytes = 1048576`: the largest answer that is read; 8 MiB without it.
    api
    /// Makes a handler choose among the steps after it: `#[decision(routes = [approve, reject])]`, where it returns
    /// a `Decision`; `#[decision]` alone, where it returns an enum with `#[derive(Routes)]`, which knows its routes.
    decision
    /// Makes a handler cut work into batches: `#[batch_analyzer(worker = process_batch)]`.
    batch_analyzer
    /// Makes a handler work on one batch, which it takes as a `Cursor`.
    batch_worker
    /// Makes a handler undo another one: `#[compensates(charge)]`, where `charge` is the handler.
    ///
    /// It is called when a task is rolled back, once for each completed step that calls `charge`, and reads
    /// what that step returned with `#[depends_on(charge)]`. See `tasker_runtime::handler::Compensating`.
    compensates
    #[doc = include_str!("../docs/publishes.md")]
    publishes
}

/// Lets functions of a trait be async where the language does not: `async_trait` of the crate `async-trait`.
///
/// A handler that is written by hand does not need it: its functions may be async as they are. It may stand there
/// all the same, and then changes nothing:
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// struct Greet;
///
/// #[async_trait]
/// impl StepHandler for Greet {
///     fn name(&self) -> &str {
///         "greet"
///     }
///
///     async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
///         step.output("hello")
///     }
/// }
///
/// register_handler!(Greet);
/// ```
#[proc_macro_attribute]
pub fn async_trait(attribute: TokenStream, item: TokenStream) -> TokenStream {
    async_trait::async_trait(&attribute.into(), item.into()).into()
}

#[doc = include_str!("../docs/from_step.md")]
#[proc_macro_derive(FromStep, attributes(depends_on, input, from_step))]
pub fn from_step(input: TokenStream) -> TokenStream {
    from_step::from_step(input.into()).into()
}

#[doc = include_str!("../docs/routes.md")]
#[proc_macro_derive(Routes, attributes(route, routes))]
pub fn routes(input: TokenStream) -> TokenStream {
    routes::routes(input.into()).into()
}

/// Lets an error type say for itself how a step fails.
///
/// The text comes from its `Display`. Each variant says `permanent` or `retryable`, or all do at once
/// above the enum; `code` is the name in capitals where nothing else is said, and `after` is the time
/// until the next attempt.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[derive(Debug, thiserror::Error, StepError)]
/// enum Payment {
///     #[error("the card was declined: {0}")]
///     #[step_error(permanent, code = "CARD_DECLINED")]
///     Declined(String),
///     #[error("the gateway does not answer")]
///     #[step_error(retryable, after = "30s")]
///     GatewayDown,
/// }
///
/// #[step_handler]
/// async fn charge(amount: u64) -> Result<u64, Payment> {
///     if amount > 100 { Err(Payment::Declined("too much".into())) } else { Ok(amount) }
/// }
///
/// let error = StepError::from(Payment::Declined("too much".into()));
/// assert_eq!(error.to_string(), "CARD_DECLINED: the card was declined: too much");
/// assert!(!error.is_retryable());
/// assert_eq!(StepError::from(Payment::GatewayDown).code(), "GATEWAY_DOWN");
/// ```
#[proc_macro_derive(StepError, attributes(step_error))]
pub fn step_error(input: TokenStream) -> TokenStream {
    step_error::step_error(input.into()).into()
}

#[doc = include_str!("../docs/workflow.md")]
#[proc_macro]
pub fn workflow(input: TokenStream) -> TokenStream {
    workflow::workflow(input.into()).into()
}

#[doc = include_str!("../docs/declare_step.md")]
#[proc_macro]
pub fn declare_step(input: TokenStream) -> TokenStream {
    step_handler::declare_step(input.into()).into()
}

#[doc = include_str!("../docs/template.md")]
#[proc_macro]
pub fn template(input: TokenStream) -> TokenStream {
    template::template(input.into()).into()
}
