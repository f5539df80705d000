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
mod state;
mod submissions;
mod verdict;
mod workflows;

use std::{fmt, io::Read, path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};
use tasker_runtime::Tasker;

use self::{fleet::LEDGER, ledger::Ledger};

/// What a part of this program returns.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Crash workers and the database under load, and check that every promise was kept.
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
    /// Tasks submitted per second at most
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Keep logs, ledgers and the SQLite file in this directory, which must not exist
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
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

fn drive(plan: &Plan) -> ExitCode {
    if plan.restarts > 0 && plan.store == Store::Sqlite {
        eprintln!("error: SQLite has no server to restart: leave out `--restarts`");
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
