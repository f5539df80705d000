//! The command line of every binary that is built on this crate: it translates, and nothing else.
//!
//! Data goes to standard output, everything else to standard error. Exit codes: 0 done, 1 the run failed,
//! 2 wrong usage, 3 not found, 4 the store does not answer, 5 timed out, 130 interrupted.

mod bench;
mod doctor;
mod graph;
mod handlers;
mod inspect;
mod live;
mod new;
mod operate;
mod output;
mod run;
mod serve;
mod settings;
mod templates;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};
use uuid::Uuid;

use crate::{api::Builder, config::Config, registry::Registry};

/// Durable workflows: submit, run and look at tasks.
#[derive(Debug, Parser)]
#[command(name = "tasker", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// The id of a task, as a command takes it.
pub(crate) fn task_id(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| {
        "a task id looks like 0198c1c0-5b7e-7a31-9c2d-1f4e6a8b0c3d; `tasker list` shows which there are"
            .to_owned()
    })
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The database: sqlite://file.db, sqlite::memory: or postgres://user@host/database [env: DATABASE_URL]
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
    /// Where template files are [default: config/tasks]
    #[arg(long, global = true, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// How data is written
    #[arg(short, long, global = true, value_name = "FORM", default_value = "table")]
    output: Form,
    /// Let templates that changed without a new version replace the kept ones
    #[arg(long, global = true)]
    replace: bool,
}

/// How data is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people
    Table,
    /// One JSON document
    Json,
    /// One JSON document a line
    Jsonl,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Submit a task, run it here and show its result
    Run(run::Run),
    /// Submit a task for others to run, and print its id
    Submit(run::Submit),
    /// Run tasks until SIGINT or SIGTERM; waits for a database that is away
    Serve(serve::Serve),
    /// Take up a task that was interrupted or paused, or is to be paused, and run it to its end
    Resume(run::Resume),
    /// Watch a task that others run until it is over
    Watch(run::Watching),
    /// Allow failed steps a new round of attempts
    Retry(operate::Retry),
    /// Give a failed step its result by hand
    Resolve(operate::Resolve),
    /// Go on without a failed step
    Skip(operate::Skip),
    /// End a task
    Cancel(operate::Whole),
    /// End a task that is blocked by failures as failed
    GiveUp(operate::Whole),
    /// Start no more steps of a task until it is resumed
    Pause(operate::Whole),
    /// List tasks, newest first
    List(inspect::List),
    /// Show a task with all its steps
    Show(inspect::Show),
    /// Draw a template or a task
    Graph(graph::Graph),
    /// List the processes that run tasks
    #[command(subcommand)]
    Worker(inspect::Workers),
    /// Look at tasks that were set aside
    #[command(subcommand)]
    Dlq(inspect::DeadLetters),
    /// Check, list, show and write templates
    #[command(subcommand)]
    Template(templates::Command),
    /// List and write handlers
    #[command(subcommand)]
    Handler(handlers::Command),
    /// Write a package of your own: a workflow of three steps, and tests of it
    New(new::Project),
    /// Show the effective settings and where each came from
    #[command(subcommand)]
    Config(settings::Command),
    /// Measure this machine: throughput, latency, memory, beside the floor the database sets
    Bench(bench::Bench),
    /// Check that everything a run needs is there
    Doctor(doctor::Doctor),
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
    /// The next command to try.
    hint: Option<String>,
}

pub(crate) type Done = Result<(), Failure>;

impl Failure {
    pub(crate) fn run(message: impl ToString) -> Self {
        Self { code: 1, message: message.to_string(), hint: None }
    }

    pub(crate) fn usage(message: impl ToString) -> Self {
        Self { code: 2, message: message.to_string(), hint: None }
    }

    pub(crate) fn not_found(message: impl ToString) -> Self {
        Self { code: 3, message: message.to_string(), hint: None }
    }

    pub(crate) fn try_this(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Nothing more to say: everything was printed.
    pub(crate) fn quiet(code: u8) -> Self {
        Self { code, message: String::new(), hint: None }
    }
}

impl From<crate::store::Error> for Failure {
    fn from(error: crate::store::Error) -> Self {
        let code = if matches!(error, crate::store::Error::Url { .. }) { 2 } else { 4 };
        Self { code, message: error.to_string(), hint: Some("tasker doctor".to_owned()) }
    }
}

impl From<crate::api::StartError> for Failure {
    fn from(error: crate::api::StartError) -> Self {
        use crate::api::StartError::{Store, Templates};
        match error {
            Store(error) => error.into(),
            error @ Templates { .. } => Self::usage(error).try_this("tasker template check"),
            error => Self::usage(error).try_this("tasker doctor"),
        }
    }
}

/// Runs the command line with all linked handlers; this is the whole of a worker's `main`.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     tasker_runtime::main()
/// }
/// ```
#[must_use]
pub fn main() -> ExitCode {
    main_with(Builder::default())
}

/// As [`main`], with state, templates or handlers of the caller's own.
///
/// ```no_run
/// use tasker_runtime::api::Tasker;
///
/// fn main() -> std::process::ExitCode {
///     tasker_runtime::main_with(Tasker::builder().state(String::from("a value for handlers")))
/// }
/// ```
#[must_use]
pub fn main_with(builder: Builder) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is no reason to say more.
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()) * 2);
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(output::colour());
    tracing_subscriber::registry().with(filter).with(lines).init();
    match run_command(cli, builder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                output::say!("{} {}", output::red("error:"), failure.message);
                output::say!(
                    "{} {}",
                    output::dim("try:"),
                    failure.hint.as_deref().unwrap_or("tasker --help")
                );
            }
            ExitCode::from(failure.code)
        }
    }
}

fn run_command(cli: Cli, builder: Builder) -> Done {
    let config = Config::load().map_err(Failure::usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::run(format!("the runtime does not start: {error}")))?;
    let context = Context { global: cli.global, config, builder };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Run(command) => command.run(context).await,
            Command::Submit(command) => command.run(context).await,
            Command::Serve(command) => command.run(context).await,
            Command::Resume(command) => command.run(context).await,
            Command::Watch(command) => command.run(context).await,
            Command::Retry(command) => command.run(context).await,
            Command::Resolve(command) => command.run(context).await,
            Command::Skip(command) => command.run(context).await,
            Command::Cancel(command) => command.cancel(context).await,
            Command::GiveUp(command) => command.give_up(context).await,
            Command::Pause(command) => command.pause(context).await,
            Command::List(command) => command.run(context).await,
            Command::Show(command) => command.run(context).await,
            Command::Worker(command) => command.run(context).await,
            Command::Dlq(command) => command.run(context).await,
            Command::Graph(command) => command.run(context).await,
            Command::Template(command) => command.run(&context),
            Command::Handler(command) => command.run(context),
            Command::New(command) => command.run(context.global.output),
            Command::Config(command) => command.run(&context),
            Command::Bench(command) => command.run(context).await,
            Command::Doctor(command) => command.run(context).await,
        }
    });
    // A handler that blocks its thread must not keep the process from ending.
    runtime.shutdown_background();
    done
}

/// What a command starts from.
pub(crate) struct Context {
    pub global: Global,
    pub config: Config,
    builder: Builder,
}

impl Context {
    /// Where template files are.
    pub(crate) fn directory(&self) -> PathBuf {
        self.global.templates.clone().unwrap_or_else(|| self.config.text("templates.directory").into())
    }

    pub(crate) fn database(&self) -> String {
        self.global.database.clone().unwrap_or_else(|| self.config.text("database.url").to_owned())
    }

    /// The handlers that are linked, under all names the settings give them.
    pub(crate) fn registry(&self) -> Registry {
        Registry::discover().with_aliases(self.config.aliases().clone())
    }

    /// The builder with everything the settings and the command line say.
    pub(crate) fn builder(self) -> Builder {
        let (database, directory) = (self.database(), self.directory());
        let replace = self.global.replace || self.config.flag("templates.replace");
        self.builder
            .config(&self.config)
            .actor(std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()))
            .database(database)
            .template_directory(directory)
            .replace_templates(replace)
    }
}
