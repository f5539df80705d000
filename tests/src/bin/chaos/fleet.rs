//! The worker processes: started, killed, paused, continued, and never left behind.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use super::Outcome;

/// Set for a worker process: where its ledger is.
pub(crate) const LEDGER: &str = "TASKER_CHAOS_LEDGER";

/// Instead of a ledger, for a process that only submits.
pub(crate) const SUBMITS: &str = "none";

/// How a worker ends that finds no database when it starts, as when the server is being restarted.
const UNREACHABLE: i32 = 4;

/// Attempts that a worker runs at once: few enough for steps to wait and be lent to other processes now and then.
pub(crate) const CONCURRENCY: usize = 12;

/// The shortest lease there is, in seconds.
pub(crate) const LEASE: u64 = 2;

/// One worker process. Dropping it kills it.
pub(crate) struct Worker {
    child: Child,
    ledger: PathBuf,
    /// Whether it stands still.
    pub(crate) paused: bool,
}

impl Worker {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The size of its ledger so far.
    pub(crate) fn written(&self) -> u64 {
        self.ledger.metadata().map_or(0, |ledger| ledger.len())
    }

    /// Whether its ledger says no more than that it was started.
    fn did_nothing(&self) -> bool {
        std::fs::read_to_string(&self.ledger).is_ok_and(|ledger| ledger.lines().count() <= 1)
    }

    fn signal(&self, name: &str) -> Outcome<()> {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status()?;
        if status.success() { Ok(()) } else { Err(format!("kill -{name} {}: {status}", self.pid()).into()) }
    }

    /// Makes it stand still.
    pub(crate) fn pause(&mut self) -> Outcome<()> {
        self.paused = true;
        self.signal("STOP")
    }

    /// Lets it go on.
    pub(crate) fn go_on(&mut self) -> Outcome<()> {
        self.paused = false;
        self.signal("CONT")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Either fails only when the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All workers of a run.
pub(crate) struct Fleet {
    url: String,
    directory: PathBuf,
    /// The network namespace they run in, if it is one of their own.
    namespace: Option<String>,
    started: usize,
    /// Those that run or stand still.
    pub(crate) workers: Vec<Worker>,
    /// Processes that ended though nobody killed them, and how.
    pub(crate) ended: Vec<String>,
}

impl Fleet {
    /// Starts `count` workers on the database at `url`; their ledgers and logs go to `directory`.
    pub(crate) fn start(count: usize, url: &str, directory: &Path, namespace: Option<&str>) -> Outcome<Self> {
        let mut fleet = Self {
            url: url.to_owned(),
            directory: directory.to_owned(),
            namespace: namespace.map(str::to_owned),
            started: 0,
            workers: Vec::new(),
            ended: Vec::new(),
        };
        for _ in 0..count {
            let worker = fleet.start_one()?;
            fleet.workers.push(worker);
        }
        Ok(fleet)
    }

    fn start_one(&mut self) -> Outcome<Worker> {
        self.started += 1;
        let file = |kind| self.directory.join(format!("{:04}.{kind}", self.started));
        let ledger = file("ledger");
        let log = File::create(file("log"))?;
        let program = std::env::current_exe()?;
        let mut command = match &self.namespace {
            None => Command::new(program),
            Some(namespace) => {
                // It becomes the program, and stays the same process.
                let mut inside = Command::new("ip");
                inside.args(["netns", "exec", namespace]).arg(program);
                inside
            }
        };
        let child = command
            .arg("serve")
            .current_dir(&self.directory)
            .env(LEDGER, &ledger)
            .env("DATABASE_URL", &self.url)
            .env("TASKER_WORKER_LEASE_SECONDS", LEASE.to_string())
            .env("TASKER_WORKER_POLL_MS", "200")
            .env("TASKER_WORKER_CONCURRENCY", CONCURRENCY.to_string())
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "info,sqlx=off".to_owned()))
            .env("NO_COLOR", "1")
            // Its end is the end of the worker, should this process be killed.
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Worker { child, ledger, paused: false })
    }

    /// Kills a worker as `kill -9` does and starts another in its place.
    pub(crate) fn kill(&mut self, place: usize) -> Outcome<()> {
        let worker = &mut self.workers[place];
        // Fails only when the process has ended already.
        let _ = worker.child.kill();
        let _ = worker.child.wait();
        self.workers[place] = self.start_one()?;
        Ok(())
    }

    /// Starts others for the workers that ended by themselves.
    pub(crate) fn replace_ended(&mut self) -> Outcome<()> {
        for place in 0..self.workers.len() {
            if let Some(status) = self.workers[place].child.try_wait()? {
                let worker = &self.workers[place];
                if status.code() == Some(UNREACHABLE) && worker.did_nothing() {
                    self.kill(place)?;
                    continue;
                }
                let log = worker.ledger.with_extension("log");
                let last = std::fs::read_to_string(&log).unwrap_or_default();
                let last = last.lines().last().unwrap_or("no output").to_owned();
                self.ended.push(format!("process {} ended by itself, {status}: {last}", worker.pid()));
                self.kill(place)?;
            }
        }
        Ok(())
    }

    /// Asks every worker to stop and waits for it; says how those ended that did not end well in time.
    pub(crate) async fn stop(mut self) -> Outcome<Vec<String>> {
        const PATIENCE: Duration = Duration::from_secs(20);
        let mut said = std::mem::take(&mut self.ended);
        for worker in &self.workers {
            worker.signal("TERM")?;
        }
        let asked = Instant::now();
        for mut worker in std::mem::take(&mut self.workers) {
            let status: Option<ExitStatus> = loop {
                match worker.child.try_wait()? {
                    None if asked.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(20)).await,
                    status => break status,
                }
            };
            match status {
                Some(status) if status.success() => {}
                Some(status) => said.push(format!("process {} did not stop well: {status}", worker.pid())),
                None => said.push(format!("process {} did not stop within {PATIENCE:?}", worker.pid())),
            }
        }
        Ok(said)
    }
}
