//! Crash tests that prove themselves.
//!
//! `chaos` starts worker processes (this same program) on one database, submits tasks all the time and
//! injects [`faults`]: kills, stops of the database server, pauses past the lease. The [`handlers`] write
//! down in [`ledger`]s what they see and return; acknowledged [`submissions`] stand in a log. When all faults
//! are over and every task is, the [`checker`] compares both with what is in the database.
//!
//! ```text
//! cargo run --release -p tasker-tests --bin chaos -- --seed 1 --kills 1000 --restarts 100 --pauses 200
//! ```
//!
//! Exits with 0 when every promise was kept and enough faults hit work in flight, else with 1.

mod checker;
mod course;
mod database;
mod faults;
mod fleet;
mod handlers;
mod ledger;
mod policy;
mod report;
mod run;
mod schedules;
mod senders;
mod state;
mod submissions;
mod verdict;
mod workflows;

use std::{fmt, io::Read, path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};
use tasker_runtime::Tasker;

use self::{
    faults::Fault,
    fleet::{LEDGER, SUBMITS},
    ledger::Ledger,
};

/// What a part of this program returns.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Crash workers and the database under load, trouble them in every other way, and check that every promise was kept.
#[derive(Clone, Debug, Parser)]
#[command(name = "chaos")]
struct Plan {
    /// Decides the order and the moments of the faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The database: a private server with fsync on, or a file
    #[arg(long, default_value = "postgres")]
    store: Store,
    /// Worker processes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    workers: u8,
    /// Workers killed with -9
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// Stops of the database server as by a power cut; PostgreSQL only
    #[arg(long, default_value_t = 0)]
    restarts: u32,
    /// Workers that stand still past their lease
    #[arg(long, default_value_t = 0)]
    pauses: u32,
    /// Tables that are locked for a while; PostgreSQL only
    #[arg(long, default_value_t = 0)]
    locks: u32,
    /// Times in which the database only reads; PostgreSQL only
    #[arg(long, default_value_t = 0)]
    read_only: u32,
    /// Processes of the server that stand still for a while; PostgreSQL only
    #[arg(long, default_value_t = 0)]
    backends: u32,
    /// Times in which the whole server stands still; PostgreSQL only
    #[arg(long, default_value_t = 0)]
    servers: u32,
    /// Times in which the network is silent, slow, or cuts connections; PostgreSQL only
    #[arg(long, default_value_t = 0)]
    networks: u32,
    /// Times in which every packet between workers and server is dropped; PostgreSQL only, and it needs a network
    /// namespace
    #[arg(long, default_value_t = 0)]
    packets: u32,
    /// Times in which the disk is full; SQLite only, and it has to be mounted
    #[arg(long, default_value_t = 0)]
    full_disks: u32,
    /// Processes killed with -9 while they submit
    #[arg(long, default_value_t = 0)]
    submitters: u32,
    /// Times in which an operator pauses tasks and lets them go on
    #[arg(long, default_value_t = 0)]
    operators: u32,
    /// Milliseconds between two faults on average: kills, pauses, what happens to the database, killed submitters and
    /// operators each come at this pace, side by side
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pace: u64,
    /// Tasks submitted per second at most
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Schedules that start a task each second
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    schedules: u32,
    /// Keep logs, ledgers and the SQLite file in this directory, which must not exist
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

impl Plan {
    /// How many faults of each kind.
    const fn faults(&self) -> [(Fault, u32); 12] {
        [
            (Fault::Kill, self.kills),
            (Fault::Restart, self.restarts),
            (Fault::Pause, self.pauses),
            (Fault::Lock, self.locks),
            (Fault::ReadOnly, self.read_only),
            (Fault::Backend, self.backends),
            (Fault::Server, self.servers),
            (Fault::Network, self.networks),
            (Fault::Packets, self.packets),
            (Fault::Disk, self.full_disks),
            (Fault::Submitter, self.submitters),
            (Fault::Operator, self.operators),
        ]
    }

    /// What cannot happen to this store, if it is asked for.
    fn misfit(&self) -> Option<&'static str> {
        let asked = self.faults().into_iter().filter(|(_, count)| *count > 0).map(|(fault, _)| fault);
        let fits = |fault: &Fault| match self.store {
            Store::Postgres => *fault != Fault::Disk,
            Store::Sqlite => !fault.needs_server(),
        };
        let misfit = asked.into_iter().find(|fault| !fits(fault))?;
        Some(misfit.name())
    }
}

/// Which database is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Store {
    Postgres,
    Sqlite,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        })
    }
}

pub(crate) fn main() -> ExitCode {
    match std::env::var_os(LEDGER) {
        Some(ledger) => work(&PathBuf::from(ledger)),
        None => drive(&Plan::parse()),
    }
}

/// A worker process: `tasker serve` with the workflows of this program.
fn work(ledger: &std::path::Path) -> ExitCode {
    if ledger.as_os_str() == SUBMITS {
        return submit();
    }
    std::thread::spawn(|| {
        // The end of the pipe is the end of the process that drives this one.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(3);
    });
    let ready = Ledger::create(ledger).map_err(|error| error.to_string());
    let ready =
        ready.and_then(|ledger| Ok((ledger, workflows::templates().map_err(|report| report.to_string())?)));
    match ready {
        Ok((ledger, templates)) => {
            let builder = Tasker::builder().state(ledger);
            tasker_runtime::main_with(
                templates.into_iter().fold(builder, |builder, template| builder.template(template)),
            )
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

/// A process that submits, as `tasker submit` does.
fn submit() -> ExitCode {
    match workflows::templates() {
        Ok(templates) => tasker_runtime::main_with(
            templates.into_iter().fold(Tasker::builder(), |builder, template| builder.template(template)),
        ),
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

fn drive(plan: &Plan) -> ExitCode {
    if let Some(misfit) = plan.misfit() {
        eprintln!("error: {} has no {misfit}: leave them out", plan.store);
        return ExitCode::from(2);
    }
    let report = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run::run(plan)));
    match report {
        Ok(report) => {
            if cfg!(feature = "unfenced") {
                println!("built without the check of the leases");
            }
            println!("{}", report.table());
            let wrong = report.wrong();
            wrong.iter().for_each(|line| println!("{line}"));
            if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
