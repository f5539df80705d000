//! The attribute macros of `tasker-runtime`, which re-exports them.

mod async_trait;
mod duration;
mod errors;
mod from_step;
mod graph;
mod named;
mod names;
mod options;
mod routes;
mod runtime;
mod step_error;
mod step_handler;
mod template;
mod words;
mod workflow;

use proc_macro::TokenStream;

/// Makes an async function the handler of a step.
///
/// The function stays what it is and can be called and tested as any other. Its parameters are taken
/// from the step when it runs, each by its form:
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tasker_runtime::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Order {
///     amount: u64,
/// }
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Valid {
///     total: u64,
/// }
///
/// #[step_handler]
/// async fn validate(order: Order) -> Result<Valid, StepError> {
///     if order.amount == 0 {
///         return Err(StepError::permanent("EMPTY_ORDER", "nothing was ordered"));
///     }
///     Ok(Valid { total: order.amount })
/// }
///
/// #[step_handler(retry(max_attempts = 5, base = "200ms", max = "30s"), timeout = "10s")]
/// async fn charge(#[depends_on(validate)] valid: Valid, key: IdempotencyKey) -> String {
///     format!("{} charged under {key}", valid.total)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(validate(Order { amount: 7 }).await?, Valid { total: 7 });
/// assert_eq!(validate(Order { amount: 0 }).await.unwrap_err().code(), "EMPTY_ORDER");
/// # Ok::<(), StepError>(()) }).unwrap();
/// ```
///
/// # Parameters
///
/// | written | meaning |
/// |---|---|
/// | `order: T` | the whole context of the task, deserialized |
/// | `#[input("items.0.sku")] sku: T` | one field of the context; an `Option` may be absent |
/// | `#[input("sku", default = "none")] sku: T` | the same, and what is taken where there is no such field; `default` alone is that of the type |
/// | `#[depends_on(validate)] v: T` | what step `validate` returned, of that very type; the step waits for it |
/// | `#[depends_on(validate)] v: Option<T>` | `None` where that branch was not taken |
/// | `#[depends_on("validate")] v: T` | the same by name, read in whatever shape `T` has |
/// | `step: &TaskSequenceStep` | the task, the step and all that came before it |
/// | any other `T` | what implements `FromStep`: `State`, `Config`, `StepInfo`, `Attempt`, `Cancelled`, `IdempotencyKey`, or a type of your own |
///
/// Parameters that several handlers share make a struct with `#[derive(FromStep)]`.
///
/// # Result
///
/// `Result<T, E>`, where `T` serializes and `E` is a `StepError`, any error (another attempt follows)
/// or text (none does); or just `T`. An alias of `Result` is taken for what it stands for. Any error is what
/// converts into `Box<dyn Error + Send + Sync>`, so `anyhow::Result<T>` will do; its causes are kept. Codes
/// are added on the way out: `parse(&raw).permanent("BAD_ORDER")?`, see `ResultExt` and `OptionExt`.
///
/// What is returned is kept digit for digit. A float that is not a number, and an error inside of the data
/// (`Vec<Result<..>>`), would be lost on the way to the next step: these do not compile, or fail the step for
/// good as `INVALID_OUTPUT` with the path of the value.
///
/// # Options
///
/// | option | meaning | default |
/// |---|---|---|
/// | `name = "…"` | what templates call it | the name of the function |
/// | `namespace = "…"` | where the name counts: templates of other namespaces write `namespace.name` | everywhere |
/// | `version = "1.0.0"`, `description = "…"` | for people | |
/// | `retry = 3` | attempts in all, 1 to 1,000 | the engine's |
/// | `retry(max_attempts = 3, backoff = "exponential", base = "1s", max = "30s")` | the same, with delays | the engine's |
/// | `timeout = "30s"` | for one attempt, up to 30 days | the engine's |
/// | `queue = "…"` | where its steps wait | the namespace of the template |
/// | `concurrency = 4` | calls at once in one process | no limit |
/// | `around = [tenant, audited]` | what stands around its calls, outermost first: `async fn tenant(step: &TaskSequenceStep, next: Next<'_>) -> Outcome` | nothing |
/// | `errors = "permanent"` | an error that says nothing else fails the step for good | another attempt follows |
/// | `marker = Name` | the type beside the function, for where its own name is taken | the name of the function |
/// | `crate = path` | where `tasker_runtime` is found | `::tasker_runtime` |
///
/// Durations are `200ms`, `30s`, `5m`, `1h30m`, `2d`. What a template says about retries, timeout and
/// queue comes before what stands here.
///
/// # The type beside the function
///
/// `#[depends_on(charge)]` and `workflow!` name a type that the macro puts beside the function, under
/// the same name, so that one `use` brings in both. Where a module of that name is in the way,
/// `marker` gives it another one.
#[proc_macro_attribute]
pub fn step_handler(attribute: TokenStream, item: TokenStream) -> TokenStream {
    step_handler::step_handler(attribute.into(), &item.into()).into()
}

/// Makes methods handlers, each of those that have `#[step_handler]`.
///
/// What the methods share is their `&self`: the value that the program gives with `.state(..)`, as
/// [`State`](../tasker_runtime/handler/struct.State.html) is for functions. The methods stay what they are; the type of
/// a handler stands beside the `impl`, under the name of its method, for `#[depends_on(..)]` and [`workflow!`].
///
/// ```
/// use tasker_runtime::{prelude::*, testing};
///
/// struct Shop {
///     vat: u64,
/// }
///
/// #[step_handlers]
/// impl Shop {
///     #[step_handler]
///     async fn validate(&self, cents: u64) -> u64 {
///         self.with_vat(cents)
///     }
///
///     #[step_handler(retry = 5, timeout = "10s")]
///     async fn charge(&self, #[depends_on(validate)] cents: u64, key: IdempotencyKey) -> String {
///         format!("{cents} charged under {key}")
///     }
///
///     fn with_vat(&self, cents: u64) -> u64 {
///         cents + cents * self.vat / 100
///     }
/// }
///
/// workflow!(checkout = [validate, charge]);
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let shop = Shop { vat: 19 };
/// assert_eq!(shop.validate(100).await, 119);
///
/// let finished = testing::run(checkout, &100).state(shop).await?;
/// assert!(finished.result::<String>()?.starts_with("119 charged"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// Parameters, results, options and capabilities are those of [`macro@step_handler`]. A program that does not give
/// the value does not start. Methods without the attribute are left alone, and one without `self` is a handler
/// that needs no value.
#[proc_macro_attribute]
pub fn step_handlers(attribute: TokenStream, item: TokenStream) -> TokenStream {
    step_handler::step_handlers(&attribute.into(), &item.into()).into()
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
    /// Makes a handler publish events. Not supported by this version: using it is an error.
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

/// Makes a struct of parameters, which handlers take as one.
///
/// Its fields are what parameters of handlers are, with the same attributes: `#[depends_on(..)]`,
/// `#[input(..)]`, and extractors without any, which may be such structs themselves. Whatever such a struct
/// reads its handler reads: a step of it waits for the same steps, and `workflow!`, `template!` and the start
/// check them as they check parameters.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tasker_runtime::{prelude::*, testing};
///
/// #[derive(Serialize, Deserialize)]
/// struct Order {
///     cents: u64,
/// }
///
/// struct Currency(&'static str);
///
/// #[step_handler]
/// async fn validate(order: Order) -> Order {
///     order
/// }
///
/// #[derive(FromStep)]
/// struct Payment {
///     #[depends_on(validate)]
///     order: Order,
///     #[input("coupon", default = "none")]
///     coupon: String,
///     currency: State<Currency>,
///     key: IdempotencyKey,
/// }
///
/// #[step_handler]
/// async fn charge(payment: Payment) -> String {
///     let Payment { order, coupon, currency, .. } = payment;
///     format!("{} {}, coupon {coupon}", order.cents, currency.0.0)
/// }
///
/// workflow!(checkout = [validate, charge]);
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(checkout.template().unwrap().steps()[1].depends_on, ["validate"]);
/// let charged = testing::run_step::<charge>().result_of::<validate>(&Order { cents: 5 });
/// let charged = charged.state(Currency("EUR")).await;
/// assert_eq!(charged.result::<String>()?, "5 EUR, coupon none");
/// # Ok::<(), StepError>(())
/// # }).unwrap();
/// ```
///
/// A field of another type than its step returns does not compile:
///
/// ```compile_fail
/// # use tasker_runtime::prelude::*;
/// # #[step_handler]
/// # async fn validate(cents: u64) -> u64 {
/// #     cents
/// # }
/// #[derive(FromStep)]
/// struct Payment {
///     #[depends_on(validate)]
///     cents: String, // `validate` returns a `u64`
/// }
/// ```
///
/// The context as a whole is no field: it is a parameter of its own beside the struct. A struct that is taken
/// as one is neither generic nor borrows anything. `#[from_step(crate = path)]` above the struct says where
/// `tasker_runtime` is found, and the trait of this name, which this implements, how other types are taken.
#[proc_macro_derive(FromStep, attributes(depends_on, input, from_step))]
pub fn from_step(input: TokenStream) -> TokenStream {
    from_step::from_step(input.into()).into()
}

/// Makes an enum of the routes of a decision.
///
/// Each variant names the handlers it leads to, one or several; what it carries goes to the branches. A handler
/// with `#[decision]` returns the enum, alone or in a `Result`. Its routes are known from the type, so nothing
/// lists them a second time.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tasker_runtime::{prelude::*, testing};
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// struct Reason {
///     limit: u64,
/// }
///
/// #[derive(Debug, PartialEq, Routes)]
/// enum Path {
///     #[route(auto_approve)]
///     Auto,
///     #[route(manager, finance)]
///     Dual(Reason),
///     #[route(skip = "nothing to approve")]
///     Nothing,
/// }
///
/// #[decision]
/// #[step_handler]
/// async fn route(cents: u64) -> Path {
///     match cents {
///         0 => Path::Nothing,
///         1..1_000 => Path::Auto,
///         _ => Path::Dual(Reason { limit: 1_000 }),
///     }
/// }
///
/// #[step_handler]
/// async fn auto_approve() {}
///
/// // What the variant that leads here carries.
/// #[step_handler]
/// async fn manager(#[depends_on(route)] reason: Reason) -> u64 {
///     reason.limit
/// }
///
/// // The variant itself.
/// #[step_handler]
/// async fn finance(#[depends_on(route)] path: Path) -> bool {
///     matches!(path, Path::Dual(_))
/// }
///
/// // What a variant carries, if it was that one.
/// #[step_handler]
/// async fn report(
///     #[depends_on(route)] reason: Option<Reason>,
///     #[depends_on(auto_approve)] _auto: Option<()>,
///     #[depends_on(manager)] _manager: Option<u64>,
/// ) -> Option<Reason> {
///     reason
/// }
///
/// workflow!(approval = [route, auto_approve, manager, finance, report]);
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let outcome = testing::run_step::<route>().context(&5_000).await;
/// assert_eq!(outcome.routes(), ["manager", "finance"]);
/// assert_eq!(outcome.result::<Path>()?, Path::Dual(Reason { limit: 1_000 }));
///
/// let limit = testing::run_step::<manager>().result_of::<route>(&Path::Dual(Reason { limit: 7 })).await;
/// assert_eq!(limit.result::<u64>()?, 7);
/// # Ok::<(), StepError>(())
/// # }).unwrap();
/// ```
///
/// # What branches read
///
/// With `#[depends_on(route)]` a step that comes after the decision takes
///
/// - the enum, whichever variant it was;
/// - what a variant with one field carries, by the type of that field, or, where it has several without names, as
///   a tuple. A branch to which no variant carries it does not compile in [`workflow!`] and [`template!`]; where
///   another variant leads to it too and was decided, the step fails for good as `OTHER_ROUTE`;
/// - an `Option` of that, `None` where the decision went another way.
///
/// What variants carry serializes and deserializes. Two variants that carry the same type are written with the
/// same type, not with an alias of it.
///
/// The journal keeps the names of the routes and, as the data of the decision, the variant as serde writes enums:
/// `"Auto"` or `{"Dual": {"limit": 1000}}`. The enum reads that back by itself, so it does not derive `Serialize`
/// or `Deserialize` from serde.
///
/// `#[route(skip)]` leads to no step; all that depend on the decision are skipped, with the reason if one is
/// given. A step that is called `skip` is `#[route(self::skip)]`. `#[routes(crate = path)]` above the enum says
/// where `tasker_runtime` is found.
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

/// Makes a workflow of handlers; the edges come from their parameters.
///
/// A step that is listed twice, one that reads a step which is not listed, and steps that wait for each
/// other do not compile.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[step_handler]
/// async fn validate(amount: u64) -> u64 {
///     amount
/// }
///
/// #[step_handler]
/// async fn charge(#[depends_on(validate)] amount: u64) -> u64 {
///     amount
/// }
///
/// workflow!(
///     /// From order to payment.
///     pub checkout = [validate, charge],
///     namespace = "shop",      // default
///     version = "1.2.0",       // 1.0.0
///     on_failure = "fail",     // block
/// );
///
/// # fn main() -> Result<(), tasker_runtime::template::Report> {
/// let template = checkout.template()?;
/// assert_eq!(template.steps()[1].depends_on, ["validate"]);
/// # Ok(())
/// # }
/// ```
///
/// The workflow is in the program wherever it is written, as if a template of that name had been loaded; two
/// of one namespace, name and version that differ keep the program from starting.
///
/// # The list
///
/// | entry | meaning |
/// |---|---|
/// | `ship` | a step that is called as its handler is |
/// | `ship as ship_again` | another step of this handler; it is read as `#[depends_on("ship_again")]` |
/// | `ship(after(refund))` | the same, which also waits for a step that it does not read; with `as` before the parentheses |
/// | `..payments` | all steps of another workflow in code, in its place |
/// | `#[cfg(feature = "fraud")] fraud` | an entry that is there under a condition |
///
/// Where no step is called as a handler is, its name means the only step that calls it.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// mod payments {
///     use tasker_runtime::prelude::*;
///
///     #[step_handler]
///     pub async fn charge(cents: u64) -> u64 {
///         cents
///     }
///
///     workflow!(pub paying = [charge]);
/// }
///
/// #[step_handler]
/// async fn notify(#[depends_on(payments::charge)] cents: u64, step: &TaskSequenceStep) -> String {
///     format!("{} of {cents}", step.name())
/// }
///
/// #[step_handler]
/// async fn ship(#[depends_on(payments::charge)] cents: u64) -> u64 {
///     cents
/// }
///
/// workflow!(
///     checkout = [
///         ..payments::paying,
///         notify,
///         ship(after(notify)),
///         notify as notify_again(after(ship)),
///         #[cfg(feature = "fraud")]
///         fraud,
///     ]
/// );
///
/// let template = checkout.template()?;
/// let names: Vec<&str> = template.steps().iter().map(|step| &*step.name).collect();
/// assert_eq!(names, ["charge", "notify", "ship", "notify_again"]);
/// assert_eq!(template.steps()[3].depends_on, ["charge", "ship"]);
/// # Ok::<(), tasker_runtime::template::Report>(())
/// ```
///
/// # Types
///
/// The name is a type with one value, through which the compiler knows what the workflow is started with and
/// what it comes to: `checkout.run(&tasker, &7).await?`, `tasker.run(checkout, &7).await?`,
/// `checkout.submit(..)`, `checkout.task(..)`, `checkout.wait(..)`, `testing::run(checkout, &7)`. A context or
/// a result of another type does not compile.
///
/// - The context is what its steps read as the context as a whole, where that is one type. Where it is
///   several, or none, whatever serializes is taken; `input = Order` says it.
/// - The result is that of the only step that nothing depends on. Where there are several, or a decision may
///   skip it, it is read as whatever type the caller asks for; of several it is an object by their names.
///
/// A step that reads from the context what another step returns does not compile either, since that is nearly
/// always a parameter without `#[depends_on]`. It does where the type is the one of the context: where the
/// step that returns it, or one before that, reads the context as the same type, or where `input` says so.
/// Types are compared with the first two that the steps read.
///
/// Of steps that stand in another workflow, `..payments`, the types are not known here: the context is what the
/// steps in this list read, and where the last step is one of the others whatever the caller asks for is read.
///
/// # The name is taken
///
/// As that of every unit struct, the name is no name of a variable in the same module, which the compiler says by
/// itself (`statue` is interpreted as a unit struct, not a new binding):
///
/// ```compile_fail,E0308
/// # use tasker_runtime::prelude::*;
/// # #[step_handler]
/// # async fn carve(grams: u64) -> u64 {
/// #     grams
/// # }
/// workflow!(statue = [carve]);
///
/// # fn main() {
/// let statue = 7; // call it something else, or put the workflow into a module of its own
/// # }
/// ```
///
/// A constant or a static has the same effect. Only the name of a function can be that of a variable as well, and
/// a function could not be printed or kept in a field as the workflow it stands for, its methods would be there only
/// where a trait is imported, and messages would speak of functions instead of workflows.
///
/// # Schemas
///
/// With the feature `schema` of tasker-runtime, a type that implements `schemars::JsonSchema` describes its JSON
/// without an attribute. Then `input`, or what the steps read as the context, is the schema of what tasks are
/// submitted with, and what a step returns that of its result: what does not fit is refused where it comes in, with
/// its path, and `template show` shows both.
///
/// # Options
///
/// Besides those above: `input = Type`, `description`, `crate`, and `marker = Name`, which gives the type
/// behind the name another one where a module of that name is in the way.
#[proc_macro]
pub fn workflow(input: TokenStream) -> TokenStream {
    workflow::workflow(input.into()).into()
}

/// Declares a step that another crate, team or language implements.
///
/// It is a type like that beside a handler: it stands in [`workflow!`] and in `#[depends_on(..)]`, under
/// [`template!`], and among the routes of a decision, with the types that are checked there. Its parameters say
/// which data it takes, in the forms of parameters of a handler: what it reads of other steps are its edges.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tasker_runtime::prelude::*;
///
/// #[derive(Serialize, Deserialize)]
/// pub struct Order {
///     cents: u64,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// pub struct Charge {
///     receipt: String,
/// }
///
/// #[step_handler]
/// async fn validate(order: Order) -> Order {
///     order
/// }
///
/// declare_step!(
///     /// Takes the money. The payments team runs it.
///     pub charge(#[depends_on(validate)] order: Order) -> Charge,
///     name = "payments.charge",
/// );
///
/// #[step_handler]
/// async fn ship(#[depends_on(charge)] charge: Charge) -> String {
///     format!("shipped, see {}", charge.receipt)
/// }
///
/// workflow!(checkout = [validate, charge, ship]);
///
/// let template = checkout.template()?;
/// assert_eq!(template.steps()[1].handler.callable, "payments.charge");
/// assert_eq!(template.steps()[2].depends_on, ["charge"]);
/// # Ok::<(), tasker_runtime::template::Report>(())
/// ```
///
/// A task with such a step waits until a worker that has the handler is there; `show` says for which one. Nothing
/// is known here of its retries, timeout or queue: a template says them, or they are the engine's.
///
/// Where the handler is linked into the same program, the start refuses one that returns a type of another name
/// than the declaration says, and so it does with two declarations of one step. Types of different crates count as
/// the same where they have the same name: what passes between the two is JSON.
///
/// # Options
///
/// `name = "payments.charge"` is what its handler is registered as, after its namespace if it has one; the name of
/// the step without it. `namespace = "payments"` may say that apart. `marker` and `crate` are those of
/// [`macro@step_handler`].
#[proc_macro]
pub fn declare_step(input: TokenStream) -> TokenStream {
    step_handler::declare_step(input.into()).into()
}

/// Binds a workflow in a YAML file to its handlers.
///
/// The file is checked while the program is compiled, again whenever it changes: mistakes in the file
/// with their line, handlers that are not there, and handlers that read a step which theirs does not
/// wait for. It becomes a part of the program and need not be there when that runs.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// mod steps {
///     use tasker_runtime::prelude::*;
///
///     #[step_handler]
///     pub async fn validate(amount: u64) -> u64 {
///         amount
///     }
///
///     #[step_handler]
///     pub async fn charge(#[depends_on(validate)] amount: u64) -> u64 {
///         amount
///     }
/// }
///
/// // name: checkout
/// // namespace: shop
/// // steps:
/// //   - name: validate
/// //   - name: charge
/// //     depends_on: [validate]
/// template!(checkout = "examples/checkout.yaml", handlers = crate::steps);
///
/// fn main() -> Result<(), tasker_runtime::template::Report> {
///     assert_eq!(checkout.template()?.namespace(), "shop");
///     Ok(())
/// }
/// ```
///
/// The path starts at the directory of the package. `handlers` is a module, whose functions the file
/// calls by their own names, or a list in brackets, whose functions it calls by the names they are
/// registered under. The name before the path may be left out; where it is there, it is a type as that of
/// [`workflow!`], with the types of the handlers in the file.
#[proc_macro]
pub fn template(input: TokenStream) -> TokenStream {
    template::template(input.into()).into()
}
