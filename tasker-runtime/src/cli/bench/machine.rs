//! What the machine is, what runs on it, and what a process uses of it.

use std::{fmt, fs, time::Duration};

use serde::Serialize;

use crate::{cli::Failure, store::Store};

/// The machine, for people who compare numbers.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    os: String,
    cpu: String,
    cores: usize,
    memory_gib: Option<f64>,
    /// How many processes wanted to run in the minute before; numbers from a busy machine are worth less.
    pub load: Option<f64>,
}

impl Machine {
    pub(super) fn here() -> Self {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let memory = line("/proc/meminfo", "MemTotal").and_then(|line| kib(&line));
        let load = fs::read_to_string("/proc/loadavg").ok();
        Self {
            os: format!("{} {}", std::env::consts::OS, kernel.trim()).trim_end().to_owned(),
            cpu: line("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory.map(|kib| (kib / 1024.0 / 102.4).round() / 10.0),
            load: load.and_then(|text| text.split(' ').next()?.parse().ok()),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {} cores", self.os, self.cpu, self.cores)?;
        self.memory_gib.map_or(Ok(()), |gib| write!(f, ", {gib} GiB"))
    }
}

/// What runs.
#[derive(Debug, Serialize)]
pub(super) struct Versions {
    tasker: &'static str,
    /// `release`, or `debug`, whose numbers mean nothing.
    build: &'static str,
    rustc: Option<&'static str>,
    database: String,
}

impl Versions {
    pub(super) async fn of(store: &Store) -> Result<Self, Failure> {
        Ok(Self {
            tasker: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            rustc: option_env!("TASKER_RUSTC_VERSION"),
            database: store.version().await?,
        })
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tasker {} ({} build", self.tasker, self.build)?;
        if let Some(rustc) = self.rustc {
            write!(f, " by rustc {rustc}")?;
        }
        write!(f, "), {}", self.database)
    }
}

/// The value of the first line that starts with `key`, as the files under `/proc` have it.
fn line(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kib(value: &str) -> Option<f64> {
    value.split(' ').next()?.parse().ok()
}

fn mib(key: &str) -> Option<f64> {
    Some(kib(&line("/proc/self/status", key)?)? / 1024.0)
}

/// Memory this process occupies, in MiB, where the system says so.
pub(super) fn resident_mib() -> Option<f64> {
    mib("VmRSS")
}

/// The most memory this process has occupied, in MiB, where the system says so.
pub(super) fn peak_mib() -> Option<f64> {
    mib("VmHWM")
}

/// A process as `/proc` shows it.
pub(super) struct Process {
    pub name: String,
    pub parent: u32,
    /// Processor time it and its children that are gone have used.
    pub processor: Duration,
}

/// The process with this number; `None` where the system does not show it.
pub(super) fn process(number: &str) -> Option<Process> {
    let text = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The name stands in parentheses and may hold anything; behind it come the fields from the third on.
    let (head, tail) = text.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
    Some(Process {
        name: head.split_once('(')?.1.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        // Linux counts in hundredths of a second whatever the kernel's own clock does.
        processor: Duration::from_millis((ticks(11)? + ticks(12)? + ticks(13)? + ticks(14)?) * 10),
    })
}

/// The numbers of all processes.
pub(super) fn processes() -> impl Iterator<Item = String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Processor time of this process, where the system says so.
pub(super) fn processor_time() -> Option<Duration> {
    process("self").map(|this| this.processor)
}
