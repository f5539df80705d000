//! What the machine is and what this process uses of it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;

/// The machine, for people who compare numbers.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub system: String,
    pub cores: usize,
    pub memory_gib: u64,
    pub version: &'static str,
}

impl Machine {
    pub(super) fn here() -> Self {
        let processor =
            read("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let memory =
            read("/proc/meminfo", "MemTotal").and_then(|line| line.split(' ').next()?.parse::<u64>().ok());
        Self {
            system: format!("{} {processor}", std::env::consts::OS),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory.unwrap_or(0) / 1024 / 1024,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// The value of the first line that starts with `key`, as the files under `/proc` have it.
fn read(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn mib(key: &str) -> f64 {
    let kib = read("/proc/self/status", key).and_then(|line| line.split(' ').next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// Memory this process occupies; not a number where the system does not say.
pub(super) fn resident_mib() -> f64 {
    mib("VmRSS")
}

/// The most memory this process has occupied; not a number where the system does not say.
pub(super) fn peak_mib() -> f64 {
    mib("VmHWM")
}

/// Processor time of this process; zero where the system does not say.
pub(super) fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold anything, come the fields from the third on.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// A directory that is removed with everything in it when this is dropped.
pub(super) struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    pub(super) fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("tasker-bench-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // What cannot be removed stays for the system's own cleaning.
        let _ = fs::remove_dir_all(&self.0);
    }
}
