//! The command line of every binary that is built on this crate: it translates, and nothing else.
//!
//! Data goes to standard output, everything else to standard error. Exit codes: 0 done, 1 the run failed,
//! 2 wrong usage, 3 not found, 4 the database cannot be used, 5 timed out, 130 interrupted.

mod again;
#[cfg(feature = "bench")]
mod bench;
mod bulk;
mod database;
mod doctor;
mod events;
mod filters;
mod fit;
mod follow;
mod graph;
mod handlers;
mod in_flight;
mod input;
mod inspect;
mod keys;
mod live;
mod log;
mod new;
mod operate;
mod output;
mod printable;
mod program;
mod run;
mod schedules;
mod screen;
mod send;
mod serve;
mod service;
mod settings;
mod signals;
mod subscriptions;
mod templates;
mod times;

use std::{path::PathBuf, process::ExitCode, thread, time::Duration};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

use self::{
    printable::{printable, printable_lines},
    program::program,
    signals::Signals,
};
use crate::{
    api::{Builder, Tasker},
    config::{Config, redact},
    registry::Registry,
    store::{self, Location},
};

/// Durable workflows: submit, run and inspect tasks.
#[derive(Debug, Parser)]
#[command(name = "tasker", version, disable_help_subcommand = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 the run failed, 2 wrong usage, 3 not found, 4 the database \
                          cannot be used, 5 timed out, 130 interrupted by SIGINT, SIGTERM or SIGHUP";

/// The id of a task, as a command takes it.
pub(crate) fn task_id(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| {
        let list = program::command("list");
        format!("a task id looks like 0198c1c0-5b7e-7a31-9c2d-1f4e6a8b0c3d; `{list}` shows which there are")
    })
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The database: sqlite://file.db, sqlite::memory: or postgres://user@host/database [env: DATABASE_URL]
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
    /// The folder of the template files [default: config/tasks]
    #[arg(long, global = true, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// How data is printed
    #[arg(short, long, global = true, value_name = "FORM", default_value = "table")]
    output: Form,
    /// Let templates that changed without a new version replace the stored ones even while open tasks use those
    #[arg(long, global = true)]
    replace: bool,
}

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people
    Table,
    /// One JSON document
    Json,
    /// One JSON document per line
    Jsonl,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Submit a task, run it here and show its result
    Run(run::Run),
    /// Submit a task for other processes to run, and print its id
    Submit(run::Submit),
    /// Run tasks, and serve them by HTTP, until SIGINT, SIGTERM or SIGHUP; waits for a database that is unavailable
    Serve(serve::Serve),
    /// Take up a task that was interrupted or paused, and run it until it has finished
    Resume(run::Resume),
    /// Watch a task that other processes run, until it has finished
    Watch(run::Watching),
    /// Give failed steps a new round of attempts, and end the wait of those that wait for one
    Retry(operate::Retry),
    /// Send a signal to a task, for a step that waits for it or will
    Signal(send::Signal),
    /// Give a step that failed or waits its result by hand
    Resolve(operate::Resolve),
    /// Continue without a step that failed or waits; end the wait of a timer
    Skip(operate::Skip),
    /// Cancel a task
    Cancel(operate::Whole),
    /// Let a task that is blocked by failures end as failed
    GiveUp(operate::Whole),
    /// Start no more steps of a task until it is resumed
    Pause(operate::Whole),
    /// Submit a task anew, from its beginning
    Replay(again::Replay),
    /// Submit a task anew that goes on from one step of an old one
    Fork(again::Forking),
    /// List tasks, newest first
    List(inspect::List),
    /// Show a task with all its steps
    Show(inspect::Show),
    /// Draw a template or a task
    Graph(graph::Graph),
    /// List the processes that run tasks
    #[command(subcommand)]
    Worker(inspect::Workers),
    /// Inspect tasks that were set aside
    #[command(subcommand)]
    Dlq(inspect::DeadLetters),
    /// Look after the database: delete what is old
    #[command(subcommand)]
    Db(database::Command),
    /// Check, list, show and write templates
    #[command(subcommand)]
    Template(templates::Command),
    /// List and write handlers
    #[command(subcommand)]
    Handler(handlers::Command),
    /// See to when tasks start by themselves
    #[command(subcommand)]
    Schedule(schedules::Command),
    /// Look at the domain events of steps
    #[command(subcommand)]
    Events(events::Command),
    /// See to the durable subscriptions to domain events
    #[command(subcommand)]
    Subscription(subscriptions::Command),
    /// Make, list and revoke the keys by which the HTTP service knows who asks
    #[command(subcommand)]
    Key(keys::Command),
    /// Create a package: a workflow of three steps, with tests
    New(new::Project),
    /// Show the effective settings and where each came from
    #[command(subcommand)]
    Config(settings::Command),
    /// Benchmark this machine: throughput, latency and memory, next to the limit the database sets
    #[cfg(feature = "bench")]
    Bench(bench::Bench),
    /// Check that everything a run needs is in place
    Doctor(doctor::Doctor),
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
    /// What to try next.
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

    /// Says that this program with these arguments is what to try next.
    pub(crate) fn try_this(self, arguments: impl AsRef<str>) -> Self {
        self.try_all_this(program::command(arguments.as_ref()))
    }

    /// Says what to try next, which is more than one command.
    pub(crate) fn try_all_this(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A signal ended the command.
    pub(crate) fn interrupted(message: impl ToString) -> Self {
        Self { code: 130, message: message.to_string(), hint: None }
    }

    /// Nothing more to say: everything was printed.
    pub(crate) fn quiet(code: u8) -> Self {
        Self { code, message: String::new(), hint: None }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        let code = if matches!(error, store::Error::Url { .. }) { 2 } else { 4 };
        Self { code, message: error.to_string(), hint: None }.try_this("doctor")
    }
}

impl From<crate::api::StartError> for Failure {
    fn from(error: crate::api::StartError) -> Self {
        use crate::api::StartError::{Store, Templates};
        match error {
            Store(error) => error.into(),
            error @ Templates { .. } => Self::usage(error).try_this("template check"),
            error => Self::usage(error).try_this("doctor"),
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
///
/// It has a runtime of its own, so `main` need not be async. Under `#[tokio::main]` it works as well, on a thread
/// of its own.
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
    if tokio::runtime::Handle::try_current().is_err() {
        return run_program(builder);
    }
    // Called by what a runtime drives, as under `#[tokio::main]`: there no other one may be started.
    let program = thread::Builder::new().name("program".to_owned()).spawn(|| run_program(builder));
    program.ok().and_then(|program| program.join().ok()).unwrap_or(ExitCode::FAILURE)
}

fn run_program(builder: Builder) -> ExitCode {
    let mut usage = Cli::command().bin_name(program());
    let cli = usage.try_get_matches_from_mut(std::env::args_os());
    let cli = match cli.and_then(|cli| Cli::from_arg_matches(&cli).map_err(|error| error.format(&mut usage)))
    {
        Ok(cli) => cli,
        Err(error) => return told(&error),
    };
    screen::tell_of_panics();
    log::start();
    match run_command(cli, builder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            ExitCode::from(failure.code)
        }
    }
}

/// Prints help, the version, or what is wrong with the command line.
fn told(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if error.use_stderr() {
        output::say!("{}", printable_lines(text.trim_end()));
        return ExitCode::from(2);
    }
    // A closed pipe is no reason to say more.
    let _ = output::print(text.trim_end());
    ExitCode::SUCCESS
}

impl Failure {
    /// Says what went wrong, and what to do next.
    fn tell(&self) {
        if self.message.is_empty() {
            return;
        }
        output::say!("{} {}", output::red("error:"), printable_lines(&redact(&self.message)));
        let usual = || (self.code != 130).then(|| program::command("--help"));
        if let Some(hint) = self.hint.clone().or_else(usual) {
            output::say!("{} {}", output::dim("try:"), printable(&hint));
        }
    }
}

/// A thread that is deep enough for templates as deeply nested as they may be.
const STACK: usize = 8 << 20;

/// Runs the command on a thread of its own: this one hears signals, which end the process also while the command
/// waits for a file.
fn run_command(cli: Cli, builder: Builder) -> Done {
    let (signals, listening) =
        Signals::listen().map_err(|error| Failure::run(format!("signals cannot be heard: {error}")))?;
    let (done, wait) = tokio::sync::oneshot::channel();
    let heard = signals.clone();
    thread::Builder::new()
        .name("command".to_owned())
        .stack_size(STACK)
        .spawn(move || done.send(command(cli, builder, heard)))
        .map_err(|error| Failure::run(format!("no thread for the command: {error}")))?;
    listening.until(async {
        tokio::select! {
            biased;
            // After a panic, of which was told already, there is no answer.
            done = wait => done.unwrap_or_else(|_| Err(Failure::quiet(101))),
            failure = signals.end() => Err(failure),
        }
    })
}

fn command(cli: Cli, builder: Builder, signals: Signals) -> Done {
    let config = Config::load().map_err(Failure::usage)?;
    config.warnings().iter().for_each(|warning| output::warn(warning));
    if let Some(folder) = cli.global.templates.as_deref().filter(|folder| !folder.is_dir()) {
        return Err(Failure::usage(format!("--templates: there is no folder {}", folder.display())));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::run(format!("the runtime does not start: {error}")))?;
    let context = Context { global: cli.global, config, builder };
    let done = runtime.block_on(execute(cli.command, context, signals));
    // A handler that blocks its thread must not keep the process from ending.
    runtime.shutdown_background();
    done
}

async fn execute(command: Command, context: Context, signals: Signals) -> Done {
    match command {
        Command::Run(command) => command.run(context, signals).await,
        Command::Submit(command) => command.run(context).await,
        Command::Serve(command) => command.run(context, signals).await,
        Command::Resume(command) => command.run(context, signals).await,
        Command::Watch(command) => command.run(context, signals).await,
        Command::Retry(command) => command.run(context).await,
        Command::Signal(command) => command.run(context).await,
        Command::Resolve(command) => command.run(context).await,
        Command::Skip(command) => command.run(context).await,
        Command::Cancel(command) => command.cancel(context).await,
        Command::GiveUp(command) => command.give_up(context).await,
        Command::Pause(command) => command.pause(context).await,
        Command::Replay(command) => command.run(context).await,
        Command::Fork(command) => command.run(context).await,
        Command::List(command) => command.run(context).await,
        Command::Show(command) => command.run(context).await,
        Command::Worker(command) => command.run(context).await,
        Command::Dlq(command) => command.run(context).await,
        Command::Db(command) => command.run(context).await,
        Command::Graph(command) => command.run(context).await,
        Command::Template(command) => command.run(context).await,
        Command::Handler(command) => command.run(context),
        Command::Schedule(command) => command.run(context).await,
        Command::Events(command) => command.run(context, signals).await,
        Command::Subscription(command) => command.run(context).await,
        Command::Key(command) => command.run(context).await,
        Command::New(command) => command.run(context.global.output),
        Command::Config(command) => command.run(&context),
        #[cfg(feature = "bench")]
        Command::Bench(command) => command.run(context).await,
        Command::Doctor(command) => command.run(context).await,
    }
}

/// How much longer than its handlers a process that stops may take to give back what it holds.
const GIVING_BACK: Duration = Duration::from_secs(12);

/// Stops an engine and gives back what it holds, in at most this time.
async fn stopped(tasker: Tasker, patience: Duration) -> Done {
    match tokio::time::timeout(patience, tasker.stop()).await {
        Ok(stopped) => Ok(stopped?),
        Err(_) => Err(store::Error::timed_out().into()),
    }
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
        self.global.templates.clone().unwrap_or_else(|| self.config.settings().templates.directory.clone())
    }

    /// The database.
    pub(crate) fn location(&self) -> store::Result<Location> {
        Location::of(self.global.database.as_deref().unwrap_or(&self.config.settings().database.url))
    }

    /// How long a process that stops may take.
    pub(crate) fn patience(&self) -> Duration {
        self.config.settings().worker.drain + GIVING_BACK
    }

    /// The handlers that are linked, under all names the settings give them.
    pub(crate) fn registry(&self) -> Registry {
        Registry::discover().with_aliases(self.config.aliases().clone())
    }

    /// The builder for a command that runs tasks, with everything the settings and the command line say.
    pub(crate) fn builder(self) -> Result<Builder, Failure> {
        let location = self.location()?;
        Ok(self.without_database().database(location.url()))
    }

    /// The builder for a command that leaves tasks to others, or looks for what others left.
    pub(crate) fn visiting(self) -> Result<Builder, Failure> {
        let location = self.location()?;
        if location.is_in_memory() {
            let message = format!("the database {location} ends with this command: name a file, or a server");
            return Err(Failure::usage(message));
        }
        Ok(self.without_database().database(location.url()))
    }

    /// The builder for a command that needs no database.
    pub(crate) fn without_database(self) -> Builder {
        let directory = self.directory();
        let replace = self.global.replace || self.config.settings().templates.replace;
        let actor = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
        let builder = self.builder.config(&self.config).actor(actor);
        builder.template_directory(directory).replace_templates(replace)
    }
}
