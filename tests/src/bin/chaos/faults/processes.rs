//! What happens to workers.

use std::time::{Duration, Instant};

use super::super::{
    Outcome,
    fleet::{LEASE, Worker},
};
use super::{AIM_AT, Aimed, Chaos, Fault, GLANCE};

/// How long a worker stands still at most when nobody takes its tasks.
const LONGEST: Duration = Duration::from_secs(6 * LEASE);
/// How often a worker is stopped anew that stands still while it writes to SQLite: all others wait for it then
/// and nobody can take its tasks.
const STOPS: u32 = 50;

impl Chaos {
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

    pub(super) async fn kill(&self, random: &mut fastrand::Rng) -> Outcome<()> {
        loop {
            let victim = self.victim(random).await;
            let aimed = self.in_flight(Some(victim)).await;
            let mut fleet = self.fleet();
            // One that ended by itself meanwhile is no victim.
            if let Some(place) = fleet.workers.iter().position(|worker| worker.pid() == victim) {
                fleet.kill(place)?;
                drop(fleet);
                self.count(Fault::Kill, &aimed);
                return Ok(());
            }
        }
    }

    /// Does something with the worker of this process, if it is still there.
    fn of(&self, pid: u32, act: fn(&mut Worker) -> Outcome<()>) -> Outcome<()> {
        self.fleet().workers.iter_mut().find(|worker| worker.pid() == pid).map_or(Ok(()), act)
    }

    /// Pauses a worker; what is returned ends when the worker goes on. While all others stand still
    /// already, waits.
    pub(super) async fn pause(
        &self,
        random: &mut fastrand::Rng,
    ) -> Outcome<tokio::task::JoinHandle<Outcome<()>>> {
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

    /// An operator pauses some tasks that are open, in whoever's hands, and lets them go on a little later.
    pub(super) async fn operate(&self, random: &mut fastrand::Rng) -> Outcome<()> {
        use tasker_runtime::{api::OperateError, model::Command};

        let aimed = self.in_flight(None).await;
        let tasks = self.database.some_open(AIM_AT).await.unwrap_or_default();
        for &task in &tasks {
            // One that is over by now, or that a database which is away knows nothing of, is left alone.
            let _ = self.tasker.operate_within(task, &Command::Pause, Duration::ZERO).await;
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..1_500))).await;
        for task in tasks {
            while let Err(OperateError::Store(_)) =
                self.tasker.operate_within(task, &Command::Resume, Duration::ZERO).await
            {
                tokio::time::sleep(GLANCE).await;
            }
        }
        self.count(Fault::Operator, &aimed);
        Ok(())
    }
}
