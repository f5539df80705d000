//! What happens to the database: its server, its disk, and those who maintain it.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::PoisonError,
    time::Duration,
};

use sqlx::{ConnectOptions, Executor, PgConnection, postgres::PgConnectOptions};

use super::super::{Outcome, fleet::LEASE};
use super::{Chaos, Fault};

/// How long trouble lasts: now and then for longer than a lease.
pub(super) fn some_time(random: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(if random.u32(..5) == 0 { LEASE * 1_000 + 500 } else { random.u64(200..1_500) })
}

/// Sends a signal to processes that may be another user's.
fn signal(name: &str, pids: &[String]) -> Outcome<()> {
    let kill = format!("kill -{name} {}", pids.join(" "));
    let status = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status()?;
    // One that has ended meanwhile needs no signal any more.
    // One that has ended meanwhile, as a connection does, stands as still as it can.
    let are_all_there = || pids.iter().all(|pid| fs::exists(format!("/proc/{pid}")).unwrap_or_default());
    match status.success() || name == "CONT" || !are_all_there() {
        true => Ok(()),
        false => Err(format!("kill -{name}: {status}").into()),
    }
}

/// The process that started another, as Linux tells it.
fn parent(pid: &str) -> Outcome<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let rest = stat.rsplit_once(") ").ok_or("no name in its status")?.1;
    Ok(rest.split(' ').nth(1).ok_or("no parent in its status")?.to_owned())
}

impl Chaos {
    pub(super) async fn restart(&self, random: &mut fastrand::Rng) -> Outcome<()> {
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

    /// A connection for trouble, once there is one.
    async fn beside(&self) -> Outcome<PgConnection> {
        let options: PgConnectOptions = self.url.parse()?;
        for _ in 0..100 {
            if let Ok(connection) = options.connect().await {
                return Ok(connection);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the server does not come back".into())
    }

    /// Somebody locks a table for maintenance, and whoever waits for it is told to wait no longer than a little.
    pub(super) async fn lock(&self, random: &mut fastrand::Rng) -> Outcome<()> {
        let aimed = self.in_flight(None).await;
        let mut other = self.beside().await?;
        let table = ["steps", "runs", "attempts", "offers", "checkpoints"][random.usize(..5)];
        let lock = format!(
            "begin; set local lock_timeout = 0; set local statement_timeout = 0; \
                            lock table tasker.{table} in exclusive mode"
        );
        other.execute(sqlx::AssertSqlSafe(lock)).await?;
        tokio::time::sleep(some_time(random)).await;
        other.execute("rollback").await?;
        self.count(Fault::Lock, &aimed);
        Ok(())
    }

    /// Every session that begins only reads, as after a failover to a server that follows another.
    pub(super) async fn read_only(&self, random: &mut fastrand::Rng) -> Outcome<()> {
        let aimed = self.in_flight(None).await;
        let mut other = self.beside().await?;
        let anew = "select pg_terminate_backend(pid) from pg_stat_activity \
                    where datname = current_database() and pid <> pg_backend_pid()";
        other.execute("alter database chaos set default_transaction_read_only = on").await?;
        other.execute(anew).await?;
        tokio::time::sleep(some_time(random)).await;
        other.execute("set default_transaction_read_only = off").await?;
        other.execute("alter database chaos reset default_transaction_read_only").await?;
        self.count(Fault::ReadOnly, &aimed);
        Ok(())
    }

    /// One process of the server, which serves one connection of a worker, stands still.
    pub(super) async fn freeze_backend(&self, random: &mut fastrand::Rng) -> Outcome<()> {
        let aimed = self.in_flight(None).await;
        let mut other = self.beside().await?;
        let backends = "select pid from pg_stat_activity where application_name = 'tasker' \
                        and pid <> pg_backend_pid() order by pid";
        let backends: Vec<i32> = sqlx::query_scalar(backends).fetch_all(&mut other).await?;
        if !backends.is_empty() {
            let pid = backends[random.usize(..backends.len())].to_string();
            signal("STOP", std::slice::from_ref(&pid))?;
            tokio::time::sleep(some_time(random)).await;
            signal("CONT", &[pid])?;
        }
        self.count(Fault::Backend, &aimed);
        Ok(())
    }

    /// The whole server stands still.
    pub(super) async fn freeze_server(&self, random: &mut fastrand::Rng) -> Outcome<()> {
        let aimed = self.in_flight(None).await;
        let mut other = self.beside().await?;
        let own: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut other).await?;
        let server = parent(&own.to_string())?;
        let mut pids = vec![server.clone()];
        for process in fs::read_dir("/proc")? {
            let name = process?.file_name().to_string_lossy().into_owned();
            if name.bytes().all(|byte| byte.is_ascii_digit()) && parent(&name).is_ok_and(|of| of == server) {
                pids.push(name);
            }
        }
        signal("STOP", &pids)?;
        tokio::time::sleep(some_time(random)).await;
        signal("CONT", &pids)?;
        self.count(Fault::Server, &aimed);
        Ok(())
    }

    /// The disk of the database is full.
    pub(super) async fn fill_disk(&self, random: &mut fastrand::Rng) -> Outcome<()> {
        let disk = self.disk.as_ref().ok_or("there is no disk to fill")?;
        let aimed = self.in_flight(None).await;
        disk.fill()?;
        tokio::time::sleep(some_time(random)).await;
        disk.free()?;
        self.count(Fault::Disk, &aimed);
        Ok(())
    }
}

/// A small disk of its own for the file of a database. Dropping it takes it away.
#[derive(Debug)]
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Mounts one at this place.
    ///
    /// # Errors
    ///
    /// Where this user may not.
    pub(crate) fn at(place: &Path) -> Outcome<Self> {
        fs::create_dir(place)?;
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=192m", "tmpfs"]).arg(place).status();
        if !mount.is_ok_and(|status| status.success()) {
            return Err(
                "a disk that is full needs the right to mount one: run this as root, on Linux, or leave \
                        out `--full-disks`"
                    .into(),
            );
        }
        Ok(Self(place.to_owned()))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    fn fill(&self) -> Outcome<()> {
        let mut ballast = File::create(self.ballast())?;
        for size in [1 << 20, 1 << 12] {
            let part = vec![0; size];
            while ballast.write_all(&part).is_ok() {}
        }
        Ok(())
    }

    fn free(&self) -> Outcome<()> {
        Ok(fs::remove_file(self.ballast())?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What cannot be taken away goes with the machine.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
