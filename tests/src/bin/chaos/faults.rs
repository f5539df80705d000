//! Injects faults at random while work is in flight, and counts how many hit any.

mod network;
mod processes;
mod server;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use support::cluster::Cluster;
use tasker_runtime::Tasker;

pub(crate) use self::{
    network::{Network, Wire},
    server::Disk,
};
use super::{
    Outcome,
    database::{COMPENSATING, Database},
    fleet::Fleet,
};

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A worker is killed with -9 and another started at once.
    Kill,
    /// The database server is stopped as by a power cut and started again.
    Restart,
    /// A worker stands still until others have its tasks, and goes on then.
    Pause,
    /// A table is locked, and what waits for it runs into a limit of the server.
    Lock,
    /// The database only reads.
    ReadOnly,
    /// One process of the server stands still.
    Backend,
    /// The whole server stands still.
    Server,
    /// The disk of the database is full.
    Disk,
    /// The network is silent, slow, or cuts connections.
    Network,
    /// Packets between workers and server are dropped.
    Packets,
    /// A process is killed while it submits.
    Submitter,
    /// An operator pauses tasks and lets them go on.
    Operator,
}

impl Fault {
    /// What it is called in the table of a run.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kills",
            Self::Restart => "restarts",
            Self::Pause => "pauses",
            Self::Lock => "locks",
            Self::ReadOnly => "read-only",
            Self::Backend => "backends",
            Self::Server => "servers",
            Self::Disk => "full disks",
            Self::Network => "networks",
            Self::Packets => "packets",
            Self::Submitter => "submitters",
            Self::Operator => "operators",
        }
    }

    /// What it happens to: faults of one lane come one after the other.
    const fn lane(self) -> Lane {
        match self {
            Self::Kill => Lane::Kills,
            Self::Pause => Lane::Pauses,
            Self::Submitter => Lane::Submitters,
            Self::Operator => Lane::Operators,
            _ => Lane::Database,
        }
    }

    /// Whether there is a server for it to happen to.
    pub(crate) const fn needs_server(self) -> bool {
        matches!(
            self,
            Self::Restart
                | Self::Lock
                | Self::ReadOnly
                | Self::Backend
                | Self::Server
                | Self::Network
                | Self::Packets
        )
    }
}

/// What goes on side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Kills,
    Pauses,
    /// What happens to the database, and to what lies between it and the workers.
    Database,
    Submitters,
    Operators,
}

/// How many faults of one kind were injected, and how many of these hit work in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) injected: u32,
    pub(crate) landed: u32,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.landed, self.injected))
    }
}

/// The counts of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// How many faults hit tasks of each workflow, by its name, and tasks that were being rolled back.
    pub(crate) hit: BTreeMap<String, u32>,
    pub(crate) of: BTreeMap<Fault, Count>,
    /// How many tasks were in the hands of those whom the faults hit, all faults together.
    pub(crate) in_hand: u64,
}

impl Counts {
    /// All faults.
    pub(crate) fn injected(&self) -> u32 {
        self.of.values().map(|count| count.injected).sum()
    }

    /// The faults that are aimed at work in flight. A process that submits is over soon, and is killed whenever.
    fn aimed(&self) -> impl Iterator<Item = &Count> {
        self.of.iter().filter(|(fault, _)| **fault != Fault::Submitter).map(|(_, count)| count)
    }

    /// How many faults were aimed at work in flight.
    pub(crate) fn meant(&self) -> u32 {
        self.aimed().map(|count| count.injected).sum()
    }

    /// The share of these that hit any; 1 without any fault.
    pub(crate) fn share(&self) -> f64 {
        let landed: u32 = self.aimed().map(|count| count.landed).sum();
        match self.meant() {
            0 => 1.0,
            meant => f64::from(landed) / f64::from(meant),
        }
    }
}

/// What faults are injected into.
#[derive(Clone)]
pub(crate) struct Chaos {
    pub(crate) fleet: Arc<Mutex<Fleet>>,
    pub(crate) cluster: Option<Arc<Mutex<Cluster>>>,
    /// Where the server is, without a network in between.
    pub(crate) url: String,
    pub(crate) network: Option<Network>,
    pub(crate) wire: Option<Arc<Wire>>,
    pub(crate) disk: Option<Arc<Disk>>,
    pub(crate) tasker: Tasker,
    pub(crate) database: Database,
    /// Kills of processes that submit, which whoever submits is to do.
    pub(crate) submitters: Arc<AtomicU32>,
    pub(crate) counts: Arc<Mutex<Counts>>,
}

/// What a fault is about to hit.
#[derive(Clone, Debug, Default)]
struct Aimed {
    /// Whether work is in flight.
    landed: bool,
    /// How many tasks of each workflow are in the hands of those it hits.
    in_hand: HashMap<String, u64>,
}

/// How long a fault waits for work to be in flight; then it comes all the same, and counts as a miss.
const AIM: Duration = Duration::from_secs(15);
/// How long a look at the growth of a ledger takes.
const GLANCE: Duration = Duration::from_millis(60);
/// So many tasks an operator does something to at once.
const AIM_AT: u32 = 10;

impl Chaos {
    /// Injects `faults`, those of each lane in order and all lanes side by side, at moments `random` decides:
    /// `pace` after each other on average.
    pub(crate) async fn inject(
        &self,
        faults: &[Fault],
        pace: Duration,
        random: &mut fastrand::Rng,
    ) -> Outcome<()> {
        let all = [Lane::Kills, Lane::Pauses, Lane::Database, Lane::Submitters, Lane::Operators];
        let [kills, pauses, database, submitters, operators] = all.map(|lane| {
            let of_lane = faults.iter().copied().filter(|fault| fault.lane() == lane).collect();
            self.lane(of_lane, pace, random.fork())
        });
        tokio::try_join!(kills, pauses, database, submitters, operators)?;
        self.fleet().replace_ended()
    }

    async fn lane(&self, faults: Vec<Fault>, pace: Duration, mut random: fastrand::Rng) -> Outcome<()> {
        let random = &mut random;
        let mut pauses = Vec::new();
        for fault in faults {
            tokio::time::sleep(pace.mul_f64(0.2 + 1.6 * random.f64())).await;
            self.fleet().replace_ended()?;
            match fault {
                Fault::Kill => self.kill(random).await?,
                Fault::Restart => self.restart(random).await?,
                Fault::Pause => pauses.push(self.pause(random).await?),
                Fault::Lock => self.lock(random).await?,
                Fault::ReadOnly => self.read_only(random).await?,
                Fault::Backend => self.freeze_backend(random).await?,
                Fault::Server => self.freeze_server(random).await?,
                Fault::Disk => self.fill_disk(random).await?,
                Fault::Network => self.storm(random).await?,
                Fault::Packets => self.drop_packets(random).await?,
                Fault::Submitter => {
                    self.submitters.fetch_add(1, Ordering::Relaxed);
                }
                Fault::Operator => self.operate(random).await?,
            }
        }
        for pause in pauses {
            pause.await??;
        }
        Ok(())
    }

    pub(crate) fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a kill of a process that submitted.
    pub(crate) fn count_submitter(&self, landed: bool) {
        self.count(Fault::Submitter, &Aimed { landed, in_hand: HashMap::new() });
    }

    fn count(&self, fault: Fault, aimed: &Aimed) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.of.entry(fault).or_default();
        count.injected += 1;
        if aimed.landed {
            count.landed += 1;
            let tasks = aimed.in_hand.iter().filter(|(kind, _)| *kind != COMPENSATING);
            counts.in_hand += tasks.map(|(_, tasks)| tasks).sum::<u64>();
            for (workflow, _) in aimed.in_hand.iter().filter(|(_, tasks)| **tasks > 0) {
                *counts.hit.entry(workflow.clone()).or_default() += 1;
            }
        }
    }

    /// Waits until one of the workers writes its ledger and tasks are open; says whether that came true,
    /// and which tasks the workers have.
    async fn in_flight(&self, pid: Option<u32>) -> Aimed {
        let written = || -> u64 {
            let fleet = self.fleet();
            let watched = fleet.workers.iter().filter(|worker| pid.is_none_or(|pid| pid == worker.pid()));
            watched.map(|worker| worker.written()).sum()
        };
        let begin = Instant::now();
        while begin.elapsed() < AIM {
            let open = self.database.open().await.is_ok_and(|open| open > 0);
            let before = written();
            tokio::time::sleep(GLANCE).await;
            if open && written() > before {
                let in_hand = self.database.in_hand(pid).await.unwrap_or_default();
                return Aimed { landed: true, in_hand };
            }
        }
        Aimed::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn share_counts_all_faults_together() {
        let mut counts = Counts::default();
        assert!((counts.share() - 1.0).abs() < 1e-9);
        counts.of.insert(Fault::Kill, Count { injected: 3, landed: 3 });
        counts.of.insert(Fault::Network, Count { injected: 1, landed: 0 });
        counts.of.insert(Fault::Submitter, Count { injected: 9, landed: 0 });
        assert!((counts.share() - 0.75).abs() < 1e-9);
    }
}
