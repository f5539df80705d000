//! Measures this machine: how fast tasks run, beside the floor that the database sets.
//!
//! Everything is measured in one run and shown as ratios too, because machines are noisy and differ. A
//! number during whose measurement work was lost or doubled is not shown: the run fails.

mod backlog;
mod child;
mod fan_out;
mod floor;
mod idle;
mod instances;
mod latency;
mod limits;
mod machine;
mod memory;
mod online;
mod processes;
mod report;
mod scratch;
mod server;
mod submit;
mod wait;
mod workflows;

use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};
use serde::Serialize;

use self::{report::Findings, scratch::Scratch, workflows::FanOut};
use super::{Context, Done, Failure};

/// How long nothing may move before a measurement is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measure this machine: throughput, latency, memory, beside the floor the database sets.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Measure these parts alone
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
    #[command(flatten)]
    sizes: Sizes,
    // Instead of what every command takes, which follows the environment.
    /// The database to measure on, which keeps the tasks [default: a SQLite file that is removed again]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Be one of the benchmark's own processes
    #[arg(long, hide = true)]
    child: bool,
    /// The parts of that process's fan-out take a while
    #[arg(long, hide = true, requires = "child")]
    slow: bool,
}

/// How much is measured.
#[derive(Clone, Debug, Args, Serialize)]
struct Sizes {
    /// How many tasks of four steps a backlog has
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    tasks: u32,
    /// How many single tasks are timed
    #[arg(long, default_value_t = 500, value_parser = value_parser!(u32).range(1..=100_000))]
    singles: u32,
    /// How many tasks wait while memory is measured
    #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    waiting: u32,
    /// How many steps a fan-out has at its widest
    #[arg(long, value_name = "WIDTH", default_value_t = 1_000, value_parser = value_parser!(u32).range(1..=10_000))]
    fan_out: u32,
    /// How many batch instances one analyzer makes, one measurement for each number
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_values_t = [100, 1_000, 10_000],
        value_parser = value_parser!(u32).range(1..=10_000))]
    instances: Vec<u32>,
    /// How many processes share a PostgreSQL database, one measurement for each number
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_values_t = [2, 4],
        value_parser = value_parser!(u32).range(2..=16))]
    processes: Vec<u32>,
    /// How many keys the tasks have of which ten run at once for each, one measurement for each number
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_values_t = [1, 100, 1_000, 10_000],
        value_parser = value_parser!(u32).range(1..=1_000_000))]
    keys: Vec<u32>,
    /// How many callers submit a task and wait for it at once, one measurement for each number
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_values_t = [1, 8, 64, 512],
        value_parser = value_parser!(u32).range(1..=10_000))]
    callers: Vec<u32>,
    /// How long each number of callers is measured
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 3_000, value_parser = value_parser!(u64).range(1..=600_000))]
    online: u64,
    /// How long a process with nothing to do is looked at
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = value_parser!(u64).range(1..=3_600))]
    idle: u64,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A single task on an idle engine
    Latency,
    /// Single submissions
    Submit,
    /// A backlog drained by one process, with and without submissions meanwhile, and the floor
    Backlog,
    /// Callers who each submit one task and wait for it
    Online,
    /// A backlog whose template limits how many tasks of a key run at once
    Limits,
    /// A backlog drained by several processes (PostgreSQL)
    Processes,
    /// One step, many that need it, one that needs them all
    FanOut,
    /// Batch instances under one analyzer
    Instances,
    /// Resident memory of a process that runs an engine
    Memory,
    /// What a process with nothing to do asks the database
    Idle,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Submit => "submit",
            Self::Backlog => "backlog",
            Self::Online => "online",
            Self::Limits => "limits",
            Self::Processes => "processes",
            Self::FanOut => "fan-out",
            Self::Instances => "instances",
            Self::Memory => "memory",
            Self::Idle => "idle",
        }
    }
}

/// One run of the benchmark, as its parts see it.
struct Run {
    scratch: Scratch,
    sizes: Sizes,
    is_postgres: bool,
    findings: Findings,
}

impl Bench {
    pub(crate) async fn run(self, context: Context) -> Done {
        if self.child {
            let fan_out = self.slow.then_some(FanOut { width: self.sizes.fan_out, slow: true });
            return child::serve(fan_out).await;
        }
        let scratch = Scratch::new(self.database.as_deref())?;
        let store = scratch.open().await?;
        let is_postgres = store.is_postgres();
        if !is_postgres && self.only.contains(&Part::Processes) {
            return Err(Failure::usage("several processes are measured on PostgreSQL")
                .try_this("bench --only processes --database postgres://…"));
        }
        let findings = Findings::new(&store, self.sizes.clone()).await?;
        let mut run = Run { scratch, sizes: self.sizes, is_postgres, findings };
        for part in Part::value_variants() {
            let asked = self.only.contains(part);
            if asked || (self.only.is_empty() && (is_postgres || *part != Part::Processes)) {
                run.measure(*part).await?;
            }
        }
        run.findings.show(context.global.output)
    }
}

impl Run {
    async fn measure(&mut self, part: Part) -> Done {
        self.findings.begin(part.name());
        match part {
            Part::Latency => latency::measure(self).await,
            Part::Submit => submit::measure(self).await,
            Part::Backlog => backlog::measure(self).await,
            Part::Online => online::measure(self).await,
            Part::Limits => limits::measure(self).await,
            Part::Processes => processes::measure(self).await,
            Part::FanOut => fan_out::measure(self).await,
            Part::Instances => instances::measure(self).await,
            Part::Memory => memory::measure(self).await,
            Part::Idle => idle::measure(self).await,
        }
    }
}
