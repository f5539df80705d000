//! A whole workflow on the engine, in memory.

use std::{future::IntoFuture, path::PathBuf, pin::Pin};

use super::{
    Finished, ReplacementOf, Running, StandsFor,
    stand_in::{self, StandIns},
};
use crate::{
    api::{
        AnyContext, AnyOutput, Catalog, StartError, Submission, SubmitError, Tasker, WaitError, WorkflowType,
        typed::{AsContext, ContextOf, Runs},
    },
    clock::Clock,
    handler::{Around, StepFn},
    model::{Json, StepError, TaskState},
    registry::{Registration, Registry, Workflow, catalog::full_name},
    store,
    template::Template,
};

/// Runs a workflow with this context to its end, or to where it cannot go on by itself.
///
/// The workflow is the constant that `workflow!` or `template!` makes, a [`Template`], or the name of one
/// that is linked or in a file below `config/tasks`.
///
/// ```
/// use tasker_runtime::{model::TaskState, prelude::*, testing};
///
/// #[step_handler]
/// async fn validate(cents: u64) -> u64 {
///     cents
/// }
///
/// #[step_handler(retry(max_attempts = 3, base = "2s"))]
/// async fn charge(#[depends_on(validate)] cents: u64) -> String {
///     format!("{cents} cents paid")
/// }
///
/// workflow!(checkout = [validate, charge]);
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let paid = testing::run(checkout, &1250).fail_first::<charge>(2).await?;
/// assert_eq!(paid.state, TaskState::Complete);
/// assert_eq!(paid.result::<String>()?, "1250 cents paid");
/// assert_eq!(paid.attempts("charge"), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn run<W, C, WC, WO>(workflow: W, context: &C) -> WorkflowRun
where
    W: Tested<WC, WO>,
    C: ?Sized + ContextOf<W, WC>,
    C::Written: AsContext,
{
    WorkflowRun {
        flow: workflow.flow(),
        context: context.context_text(),
        handlers: None,
        stand_ins: StandIns::default(),
        misfit: None,
        builder: Tasker::builder(),
        directory: "config/tasks".into(),
    }
}

/// A workflow that is about to be run; `.await` runs it to its end. See [`run`].
#[must_use = "nothing runs before `.await`"]
#[derive(Debug)]
pub struct WorkflowRun {
    flow: Flow,
    context: serde_json::Result<Json>,
    handlers: Option<Vec<Registration>>,
    stand_ins: StandIns,
    /// The first value that cannot stand for what its handler returns.
    misfit: Option<String>,
    builder: crate::api::Builder,
    directory: PathBuf,
}

impl WorkflowRun {
    /// A value for handlers that ask for `State<T>`.
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.builder = self.builder.state(value);
        self
    }

    /// The handlers, instead of all that are linked. See [`crate::handlers!`].
    pub fn handlers(mut self, handlers: impl IntoIterator<Item = Registration>) -> Self {
        self.handlers = Some(handlers.into_iter().collect());
        self
    }

    /// Where template files are, instead of `config/tasks`, from the directory of the package on.
    pub fn templates(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Lets the first attempts at every step of the handler `S` fail, as if the world were down: the
    /// handler is not called, and the attempts after that are its own.
    pub fn fail_first<S: StepFn>(self, attempts: u32) -> Self {
        let error = StepError::retryable("INJECTED", "the test lets this attempt fail");
        self.fail_first_with::<S>(attempts, error)
    }

    /// As [`fail_first`](Self::fail_first), with an error of the test's own.
    pub fn fail_first_with<S: StepFn>(mut self, attempts: u32, error: StepError) -> Self {
        self.stand_ins.fail::<S>(attempts, error);
        self
    }

    /// Gives `value` in place of what the handler `S` returns, at every step that calls it: the handler is not called,
    /// and the state and the API it takes need not be there. Of a batch worker it is what each batch returns.
    ///
    /// A value of another type does not compile:
    ///
    /// ```compile_fail
    /// # use tasker_runtime::{prelude::*, testing};
    /// # #[step_handler]
    /// # async fn charge(cents: u64) -> u64 {
    /// #     cents
    /// # }
    /// # workflow!(checkout = [charge]);
    /// let run = testing::run(checkout, &1250).returns::<charge>("a lot");
    /// ```
    pub fn returns<S: StepFn>(mut self, value: impl StandsFor<S>) -> Self {
        self.misfit = self.misfit.or_else(|| stand_in::misfit::<S, _>(&value));
        self.stand_ins.give::<S>(value);
        self
    }

    /// Calls `function` in place of the handler `S`, with what the handler takes, in the same order, apart from an
    /// `Api`. It returns a `Result` of what the handler returns; of a batch worker, of what one batch returns.
    ///
    /// ```
    /// # use tasker_runtime::{prelude::*, testing};
    /// #[step_handler]
    /// async fn quote(item: String, prices: State<Vec<u64>>) -> Result<u64, StepError> {
    ///     prices.get(item.len()).copied().or_permanent("NO_PRICE")
    /// }
    ///
    /// workflow!(quoting = [quote]);
    ///
    /// # testing::block_on(async {
    /// let run = testing::run(quoting, "book").state(vec![1_u64]);
    /// let quoted = run.replace::<quote>(|item: String, _: State<Vec<u64>>| async move { Ok(item.len() as u64) }).await?;
    /// assert_eq!(quoted.result::<u64>()?, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace<S: StepFn>(mut self, function: impl ReplacementOf<S>) -> Self {
        self.stand_ins.call::<S>(function);
        self
    }

    /// Lets a wrapper stand around every call, as [`Builder::around`](crate::api::Builder::around) does.
    pub fn around(mut self, wrapper: impl Around) -> Self {
        self.builder = self.builder.around(wrapper);
        self
    }

    /// Starts the workflow and leaves the time to the test.
    ///
    /// # Errors
    /// When there is no such workflow, it does not fit its handlers and state, or the context does not fit.
    pub async fn start(self) -> Result<Running, RunError> {
        let template = self.flow.template(&self.directory)?;
        let context = self.context.map_err(SubmitError::NotJson)?;
        let linked = self.handlers.unwrap_or_else(|| Registration::linked().collect());
        if let Some(reason) = self.misfit {
            return Err(RunError::Misfit { reason });
        }
        if let Some(handler) = self.stand_ins.unused(&template, &Registry::of(linked.iter().cloned())) {
            return Err(RunError::NotInWorkflow {
                handler: handler.to_string(),
                template: full_name(&template),
            });
        }
        // Of two with one name and place the first counts.
        let registry = Registry::of(self.stand_ins.registrations().chain(linked));
        let clock = Clock::manual(super::START);
        let name = full_name(&template);
        let mut builder = self.builder.database("sqlite::memory:").clock(clock.clone()).registry(registry);
        builder = builder.template(template);
        let tasker = builder.start().await?;
        let watch = tasker.submit_watched(Submission::to(&*name).json(context)).await?;
        Ok(Running::new(tasker, clock, watch, name))
    }

    async fn finish(self) -> Result<Finished, RunError> {
        self.start().await?.finish().await
    }
}

impl IntoFuture for WorkflowRun {
    type Output = Result<Finished, RunError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.finish())
    }
}

/// What [`run`] can run.
#[derive(Clone, Debug)]
pub struct Flow(Source);

#[derive(Clone, Debug)]
enum Source {
    Linked(Workflow),
    Written(Box<Template>),
    Named(String),
}

impl Flow {
    fn template(self, directory: &std::path::Path) -> Result<Template, RunError> {
        match self.0 {
            Source::Written(template) => Ok(*template),
            Source::Linked(workflow) => workflow.template().map_err(|report| {
                RunError::Start(StartError::Templates { reports: vec![report.to_string()] })
            }),
            Source::Named(name) => {
                let (mut catalog, mut reports) = Catalog::load(Some(directory), None);
                reports.extend(catalog.add_linked());
                match catalog.find(&name) {
                    Ok(template) => Ok(Template::clone(template)),
                    Err(unknown) if reports.is_empty() => Err(SubmitError::from(unknown).into()),
                    // The one that is meant may be among them.
                    Err(_) => Err(StartError::Templates { reports }.into()),
                }
            }
        }
    }
}

/// What [`run`] can run: a workflow whose steps read the context as a `C` and which comes to an `O`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow",
    label = "neither a workflow, a `Template`, nor the name of one",
    note = "name what `workflow!(name = [..])` or `template!(name = \"..\")` makes"
)]
pub trait Tested<C, O> {
    /// The workflow.
    #[doc(hidden)]
    fn flow(self) -> Flow;
}

#[diagnostic::do_not_recommend]
impl<W: WorkflowType + Runs<C, O>, C, O> Tested<C, O> for W {
    fn flow(self) -> Flow {
        Flow(Source::Linked(W::WORKFLOW))
    }
}

impl Tested<AnyContext, AnyOutput> for Workflow {
    fn flow(self) -> Flow {
        Flow(Source::Linked(self))
    }
}

impl Tested<AnyContext, AnyOutput> for Template {
    fn flow(self) -> Flow {
        Flow(Source::Written(Box::new(self)))
    }
}

impl Tested<AnyContext, AnyOutput> for &str {
    fn flow(self) -> Flow {
        Flow(Source::Named(self.to_owned()))
    }
}

/// Why a workflow could not be run, which is another thing than a workflow that fails.
///
/// `{:?}` says it in the same words as `{}`, so that `unwrap` in a test is readable.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Handlers, templates and state do not fit together.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is no such workflow, or the context does not fit it.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The task could not be looked at.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// Something stands in for a handler that no step of the workflow calls.
    #[error("no step of `{template}` calls `{handler}`: nothing can stand in for it there")]
    NotInWorkflow {
        /// The handler.
        handler: String,
        /// Namespace and name of the workflow.
        template: String,
    },
    /// A value cannot stand for what a handler returns, though it has the type.
    #[error("{reason}")]
    Misfit {
        /// Why, and what to give instead.
        reason: String,
    },
    /// No attempt at a step begins.
    #[error("no attempt at step `{step}` begins: the task is {state}")]
    NotBegun {
        /// The step.
        step: String,
        /// The state of the task.
        state: TaskState,
    },
    /// For a minute nothing happened, and time does not help: a handler does not come to an end.
    #[error(
        "nothing has happened for a minute while {} ran: a handler that waits for ever, or for a timeout, is tested with `.start()` and `.advance(..)`",
        running.join(", ")
    )]
    Stuck {
        /// The names of the steps that could run.
        running: Vec<String>,
    },
}

impl From<store::Error> for RunError {
    fn from(error: store::Error) -> Self {
        Self::Wait(error.into())
    }
}

impl std::fmt::Debug for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
