//! Measures this machine: how fast tasks run, beside the floor that the database sets.
//!
//! Everything is measured in one run and shown as ratios too, because machines are noisy and differ.

mod floor;
mod machine;
mod workflows;

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::{Context, Done, Failure, Form, output};
use crate::{
    api::Tasker,
    model::TaskState,
    store::{Options, Store},
};

/// Measure this machine: throughput, latency, memory, beside the floor the database sets.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// How many tasks of four steps the backlog has
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    tasks: u32,
    /// How many single tasks are timed
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    singles: u32,
}

/// One thing that was measured.
#[derive(Clone, Debug, Serialize)]
struct Measure {
    what: String,
    value: f64,
    unit: &'static str,
}

#[derive(Serialize)]
struct Findings {
    machine: machine::Machine,
    database: String,
    tasks: u32,
    measures: Vec<Measure>,
}

impl Findings {
    fn add(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        self.measures.push(Measure { what: what.into(), value, unit });
    }
}

impl Bench {
    pub(crate) async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let scratch = Scratch::new(context.global.database.as_deref())?;
        let mut findings = Findings {
            machine: machine::Machine::here(),
            database: scratch.open().await?.version().await?,
            tasks: self.tasks,
            measures: Vec::new(),
        };
        findings.add("resident memory, idle", machine::resident_mib(), "MiB");
        for workflow in ["linear", "diamond"] {
            self.backlog(&scratch, workflow, &mut findings).await?;
        }
        self.latency(&scratch, &mut findings).await?;
        self.fan_out(&scratch, &mut findings).await?;
        batches(&scratch, &mut findings).await?;
        findings.add("resident memory, peak", machine::peak_mib(), "MiB");
        show(&findings, form)
    }

    /// A backlog of four-step tasks that do nothing, and the floor: the same rows, appended.
    async fn backlog(
        &self,
        scratch: &Scratch,
        workflow: &str,
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        let store = scratch.open().await?;
        let client = workflows::builder(store.clone()).connect().await?;
        let started = Instant::now();
        for _ in 0..self.tasks / 1000 {
            let submissions = (0..1000).map(|_| workflows::submission(workflow));
            client.submit_all(submissions).await.map_err(Failure::run)?;
        }
        let tasks = f64::from(self.tasks / 1000 * 1000);
        findings.add(format!("{workflow}: bulk submit"), tasks / started.elapsed().as_secs_f64(), "tasks/s");
        findings.add(format!("{workflow}: resident memory with the backlog"), machine::resident_mib(), "MiB");
        let processor = machine::processor_time();
        let started = Instant::now();
        let tasker = workflows::builder(store.clone()).start().await?;
        wait_until_done(&tasker).await?;
        let took = started.elapsed().as_secs_f64();
        let used = machine::processor_time().saturating_sub(processor);
        let steps = tasks * 4.0;
        let stats = tasker.stats();
        tasker.stop().await?;
        let rate = steps / took;
        findings.add(format!("{workflow}: backlog drained"), rate, "steps/s");
        findings.add(format!("{workflow}: processor time"), used.as_secs_f64() * 1e6 / steps, "µs/step");
        findings.add(
            format!("{workflow}: commits"),
            (stats.writes + stats.claims) as f64 / steps,
            "per step",
        );
        let batch = (steps / stats.writes.max(1) as f64).round().max(1.0) as usize;
        let floor = floor::measure(&scratch.open().await?, steps as usize, batch).await?;
        findings.add(format!("{workflow}: floor, {batch} rows a commit"), floor, "rows/s");
        findings.add(format!("{workflow}: backlog ÷ floor"), rate / floor, "");
        Ok(())
    }

    /// One task at a time on an engine that has nothing else to do.
    async fn latency(&self, scratch: &Scratch, findings: &mut Findings) -> Result<(), Failure> {
        let tasker = workflows::builder(scratch.open().await?).start().await?;
        let mut times = Vec::new();
        for single in 0..self.singles + 20 {
            let started = Instant::now();
            let task = tasker.submit(workflows::submission("linear")).await.map_err(Failure::run)?;
            tasker.wait(task).await.map_err(Failure::run)?;
            // The first ones warm up statement caches.
            if single >= 20 {
                times.push(started.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        tasker.stop().await?;
        times.sort_unstable();
        for (name, part) in [("p50", 0.50), ("p95", 0.95), ("p99", 0.99)] {
            let at = ((times.len() - 1) as f64 * part).round() as usize;
            findings.add(
                format!("single idle task of four steps, {name}"),
                times[at].as_secs_f64() * 1e3,
                "ms",
            );
        }
        Ok(())
    }

    /// One step, a thousand that need it, one that needs them all.
    async fn fan_out(&self, scratch: &Scratch, findings: &mut Findings) -> Result<(), Failure> {
        let tasker = workflows::builder(scratch.open().await?).start().await?;
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let started = Instant::now();
            let task = tasker.submit(workflows::submission("fan_out")).await.map_err(Failure::run)?;
            tasker.wait(task).await.map_err(Failure::run)?;
            best = best.min(started.elapsed());
        }
        tasker.stop().await?;
        findings.add("fan-out 1 → 1,000 → 1, best of five", best.as_secs_f64() * 1e3, "ms");
        Ok(())
    }
}

/// Batches under one analyzer: what one of them costs must not grow with their number.
async fn batches(scratch: &Scratch, findings: &mut Findings) -> Result<(), Failure> {
    let tasker = workflows::builder(scratch.open().await?).start().await?;
    for count in [100, 1_000, 10_000] {
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let started = Instant::now();
            let task = tasker.submit(workflows::batch_submission(count)).await.map_err(Failure::run)?;
            tasker.wait(task).await.map_err(Failure::run)?;
            best = best.min(started.elapsed());
        }
        let each = best.as_secs_f64() * 1e6 / f64::from(count);
        findings.add(format!("{count} batches under one analyzer, best of five"), each, "µs/batch");
    }
    tasker.stop().await?;
    Ok(())
}

async fn wait_until_done(tasker: &Tasker) -> Result<(), Failure> {
    loop {
        let mut left = false;
        for state in [TaskState::Pending, TaskState::InProgress] {
            left |= !tasker.list(Some(state), None, 1).await?.is_empty();
        }
        if !left {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Where the measurements happen: a file of their own, or the given database.
struct Scratch {
    url: String,
    _directory: Option<machine::TemporaryDirectory>,
}

impl Scratch {
    fn new(url: Option<&str>) -> Result<Self, Failure> {
        if let Some(url) = url {
            return Ok(Self { url: url.to_owned(), _directory: None });
        }
        let directory = machine::TemporaryDirectory::new()
            .map_err(|error| Failure::run(format!("no temporary directory: {error}")))?;
        let url = format!("sqlite://{}", directory.path().join("bench.db").display());
        Ok(Self { url, _directory: Some(directory) })
    }

    async fn open(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.url, Options::default()).await?)
    }
}

fn show(findings: &Findings, form: Form) -> Done {
    if form != Form::Table {
        return output::json(findings, form);
    }
    let machine = &findings.machine;
    output::print(&format!(
        "{}, {} cores, {} GiB; {}; tasker {}\n",
        machine.system, machine.cores, machine.memory_gib, findings.database, machine.version
    ))?;
    output::list(&findings.measures, form, &["measure", "value", "unit"], |measure| {
        let digits = if measure.value >= 1000.0 { 0 } else { 3 };
        vec![measure.what.clone(), format!("{:.digits$}", measure.value), measure.unit.to_owned()]
    })
}
