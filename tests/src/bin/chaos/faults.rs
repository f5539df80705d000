//! Injects faults at random while work is in flight, and counts how many hit any.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use support::cluster::Cluster;

use super::{
    Outcome,
    database::Database,
    fleet::{Fleet, LEASE, Worker},
};

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A worker is killed with -9 and another started at once.
    Kill,
    /// The database server is stopped as by a power cut and started again.
    Restart,
    /// A worker stands still until others have its tasks, and goes on then.
    Pause,
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
    pub(crate) kills: Count,
    pub(crate) restarts: Count,
    pub(crate) pauses: Count,
}

impl Counts {
    fn of(&mut self, fault: Fault) -> &mut Count {
        match fault {
            Fault::Kill => &mut self.kills,
            Fault::Restart => &mut self.restarts,
            Fault::Pause => &mut self.pauses,
        }
    }

    /// All faults.
    pub(crate) fn injected(&self) -> u32 {
        [self.kills, self.restarts, self.pauses].iter().map(|count| count.injected).sum()
    }

    /// The share of the faults that hit work in flight; 1 without any fault.
    pub(crate) fn share(&self) -> f64 {
        let all = [self.kills, self.restarts, self.pauses];
        let sum = |of: fn(&Count) -> u32| f64::from(all.iter().map(of).sum::<u32>());
        let injected = sum(|count| count.injected);
        if injected == 0.0 { 1.0 } else { sum(|count| count.landed) / injected }
    }
}

/// What faults are injected into.
#[derive(Clone)]
pub(crate) struct Chaos {
    pub(crate) fleet: Arc<Mutex<Fleet>>,
    pub(crate) cluster: Option<Arc<Mutex<Cluster>>>,
    pub(crate) database: Database,
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
/// How long a worker stands still at most when nobody takes its tasks.
const LONGEST: Duration = Duration::from_secs(6 * LEASE);
/// How often a worker is stopped anew that stands still while it writes to SQLite: all others wait for it then
/// and nobody can take its tasks.
const STOPS: u32 = 50;

impl Chaos {
    /// Injects `faults` in order, at moments `random` decides.
    pub(crate) async fn inject(&self, faults: &[Fault], random: &mut fastrand::Rng) -> Outcome<()> {
        let mut pauses = Vec::new();
        for &fault in faults {
            tokio::time::sleep(Duration::from_millis(random.u64(100..900))).await;
            self.fleet().replace_ended()?;
            match fault {
                Fault::Kill => self.kill(random).await?,
                Fault::Restart => self.restart(random).await?,
                Fault::Pause => pauses.push(self.pause(random).await?),
            }
        }
        for pause in pauses {
            pause.await??;
        }
        self.fleet().replace_ended()
    }

    pub(crate) fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, fault: Fault, aimed: &Aimed) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.of(fault);
        count.injected += 1;
        if aimed.landed {
            count.landed += 1;
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

    /// A worker that runs, once there is one.
    async fn victim(&self, random: &mut fastrand::Rng) -> u32 {
        loop {
            let running: Vec<u32> = self
                .fleet()
                .workers
                .iter()
                .filter(|worker| !worker.paused)
                .map(|worker| worker.pid())
                .collect();
            if !running.is_empty() {
                return running[random.usize(..running.len())];
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    async fn kill(&self, random: &mut fastrand::Rng) -> Outcome<()> {
        let victim = self.victim(random).await;
        let aimed = self.in_flight(Some(victim)).await;
        let mut fleet = self.fleet();
        if let Some(place) = fleet.workers.iter().position(|worker| worker.pid() == victim) {
            fleet.kill(place)?;
            drop(fleet);
            self.count(Fault::Kill, &aimed);
        }
        Ok(())
    }

    async fn restart(&self, random: &mut fastrand::Rng) -> Outcome<()> {
        let cluster = self.cluster.clone().ok_or("there is no server to restart")?;
        let aimed = self.in_flight(None).await;
        // Now and then for longer than a lease.
        let down = if random.u32(..5) == 0 { LEASE * 1_000 + 500 } else { random.u64(..800) };
        tokio::task::spawn_blocking(move || {
            let mut cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
            cluster.crash()?;
            std::thread::sleep(Duration::from_millis(down));
            cluster.restart()
        })
        .await??;
        self.count(Fault::Restart, &aimed);
        Ok(())
    }

    /// Does something with the worker of this process, if it is still there.
    fn of(&self, pid: u32, act: fn(&mut Worker) -> Outcome<()>) -> Outcome<()> {
        self.fleet().workers.iter_mut().find(|worker| worker.pid() == pid).map_or(Ok(()), act)
    }

    /// Pauses a worker; what is returned ends when the worker goes on. While all others stand still
    /// already, waits.
    async fn pause(&self, random: &mut fastrand::Rng) -> Outcome<tokio::task::JoinHandle<Outcome<()>>> {
        loop {
            let (paused, all) = {
                let fleet = self.fleet();
                (fleet.workers.iter().filter(|worker| worker.paused).count(), fleet.workers.len())
            };
            if paused == 0 || paused + 1 < all {
                break;
            }
            tokio::time::sleep(GLANCE).await;
        }
        let victim = self.victim(random).await;
        let aimed = self.in_flight(Some(victim)).await;
        let late = Duration::from_millis(random.u64(50..500));
        let alone = self.fleet().workers.len() == 1;
        self.of(victim, Worker::pause)?;
        for _ in 0..STOPS {
            if alone || !self.database.is_locked().await? {
                break;
            }
            self.of(victim, Worker::go_on)?;
            tokio::time::sleep(Duration::from_millis(random.u64(1..50))).await;
            self.of(victim, Worker::pause)?;
        }
        let chaos = self.clone();
        Ok(tokio::spawn(async move {
            let begin = Instant::now();
            let longest = if alone { Duration::from_millis(LEASE * 1_000 + 300) } else { LONGEST };
            let mut given_up = false;
            while !given_up && begin.elapsed() < longest {
                tokio::time::sleep(GLANCE).await;
                given_up = !alone && chaos.database.given_up(victim).await.unwrap_or(false);
            }
            tokio::time::sleep(late).await;
            chaos.of(victim, Worker::go_on)?;
            let landed = aimed.landed && (given_up || alone);
            chaos.count(Fault::Pause, &Aimed { landed, ..aimed });
            Ok(())
        }))
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
        *counts.of(Fault::Kill) = Count { injected: 3, landed: 3 };
        *counts.of(Fault::Pause) = Count { injected: 1, landed: 0 };
        assert!((counts.share() - 0.75).abs() < 1e-9);
    }
}
