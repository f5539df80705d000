//! One run: start everything, inject the faults, wait for the tasks, check.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};
use support::cluster::Cluster;
use tasker_runtime::{Tasker, api::OperateError, model::Command};
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    Outcome, Plan, Store, checker,
    database::Database,
    faults::{Chaos, Counts, Disk, Fault, Network, Wire},
    fleet::Fleet,
    ledger,
    report::Report,
    schedules, senders, state,
    submissions::{self, Load},
    workflows,
};

/// So many tasks may be open before submitting waits.
const MOST_OPEN: u64 = 400;
/// With no task finished for so long, those that are open never will be.
const STUCK: Duration = Duration::from_secs(40);

/// Runs the plan.
///
/// # Errors
///
/// When the run itself could not be done; what it found wrong stands in the report.
pub(crate) async fn run(plan: &Plan) -> Outcome<Report> {
    let begin = Instant::now();
    let temporary = TempDir::new()?;
    let directory = plan.keep.as_deref().unwrap_or(temporary.path());
    if plan.keep.is_some() {
        fs::create_dir(directory)?;
    }
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    let (cluster, disk, url) = start_store(plan, directory).await?;
    let tasker = connect(&url).await?;
    let database = Database::at(&url)?;
    let wire = (plan.packets > 0).then(Wire::new).transpose()?.map(Arc::new);
    let here = wire.as_ref().map_or("127.0.0.1", |wire| wire.here());
    let network = match plan.networks + plan.packets {
        0 => None,
        _ => Some(Network::to(here, port_of(&url)?).await?),
    };
    // Only workers are behind the network that is tampered with.
    let theirs = match &network {
        Some(network) => {
            url.replace(&format!("@127.0.0.1:{}/", port_of(&url)?), &format!("@{here}:{}/", network.port()))
        }
        None => url.clone(),
    };
    let namespace = wire.as_ref().map(|wire| wire.namespace());
    let chaos = Chaos {
        fleet: Arc::new(Mutex::new(Fleet::start(usize::from(plan.workers), &theirs, directory, namespace)?)),
        cluster,
        url: url.clone(),
        network,
        wire,
        disk,
        tasker: tasker.clone(),
        database: database.clone(),
        submitters: Arc::default(),
        counts: Arc::default(),
    };
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let stop = Arc::new(AtomicBool::new(false));
    let load = Load {
        tasker: tasker.clone(),
        database: database.clone(),
        random: random.fork(),
        rate: plan.rate,
        most: MOST_OPEN,
        chaos: chaos.clone(),
        stop: stop.clone(),
        life: Duration::from_millis(40),
    };
    let log = directory.join("submissions");
    let load = tokio::spawn({
        let log = log.clone();
        async move { load.run(&log).await }
    });
    schedules::make(&tasker, plan.schedules).await?;
    let senders = tokio::spawn(senders::send(tasker.clone(), database.clone()));
    let pace = Duration::from_millis(plan.pace);
    chaos.inject(&schedule(plan, &mut random), pace, &mut random).await?;
    stop.store(true, Ordering::Relaxed);
    load.await??;
    schedules::end(&tasker, plan.schedules).await?;
    let freed = settle(&chaos, &tasker).await?;
    senders.abort();
    // It has a handle of the database until it is gone.
    let _ = senders.await;
    let counts: Counts = chaos.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Chaos { fleet, cluster, disk, .. } = chaos;
    let fleet = Arc::try_unwrap(fleet).map_err(|_| "the fleet is still in use")?;
    let ended = fleet.into_inner().unwrap_or_else(PoisonError::into_inner).stop().await?;
    let (executions, heard) = read_ledgers(directory)?;
    let submitted = submissions::read(&fs::read_to_string(&log)?)?;
    let state = state::read(&database).await?;
    let verdict = checker::check(&submitted, &executions, &heard, &state);
    let talkative = talkative(directory, begin.elapsed())?;
    drop(database);
    drop((cluster, disk));
    Ok(Report { plan: plan.clone(), counts, verdict, freed, ended, talkative, took: begin.elapsed() })
}

/// Starts the database of this run.
async fn start_store(plan: &Plan, directory: &Path) -> Outcome<Started> {
    if plan.store == Store::Sqlite {
        let place = directory.join("disk");
        let disk = (plan.full_disks > 0).then(|| Disk::at(&place).map(Arc::new)).transpose()?;
        let place = if disk.is_some() { place } else { directory.to_owned() };
        return Ok((None, disk, format!("sqlite://{}", place.join("tasker.db").display())));
    }
    let cluster = tokio::task::spawn_blocking(|| Cluster::start(true)).await??;
    let mut connection = PgConnection::connect(cluster.url()).await?;
    sqlx::raw_sql("create database chaos").execute(&mut connection).await?;
    if plan.locks > 0 {
        // Which of the two whoever waits for a lock runs into.
        let limit = if plan.seed.is_multiple_of(2) {
            "lock_timeout = '300ms'"
        } else {
            "statement_timeout = '700ms'"
        };
        let limit = sqlx::AssertSqlSafe(format!("alter database chaos set {limit}"));
        sqlx::raw_sql(limit).execute(&mut connection).await?;
    }
    connection.close().await?;
    let url = cluster.url().replace("/postgres", "/chaos");
    Ok((Some(Arc::new(Mutex::new(cluster))), None, url))
}

/// A database of a run's own: its server if it has one, its disk if that is one of its own, and its URL.
type Started = (Option<Arc<Mutex<Cluster>>>, Option<Arc<Disk>>, String);

fn port_of(url: &str) -> Outcome<u16> {
    let port = url.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next());
    Ok(port.ok_or("no port in the URL of the server")?.parse()?)
}

/// The processes that said more than ten lines a second, whatever happened to them.
fn talkative(directory: &Path, took: Duration) -> Outcome<Vec<String>> {
    let mut talkative = Vec::new();
    let most = 200 + 10 * usize::try_from(took.as_secs()).unwrap_or_default();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let lines = String::from_utf8_lossy(&fs::read(&path)?).lines().count();
            if lines > most {
                talkative.push(format!("{} has {lines} lines after {took:?}", path.display()));
            }
        }
    }
    Ok(talkative)
}

async fn connect(url: &str) -> Outcome<Tasker> {
    let builder = Tasker::builder().database(url);
    let templates = workflows::templates().map_err(|report| report.to_string())?;
    Ok(templates.into_iter().fold(builder, |builder, template| builder.template(template)).connect().await?)
}

/// All faults of the plan, in an order that the seed decides.
fn schedule(plan: &Plan, random: &mut fastrand::Rng) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (fault, count) in plan.faults() {
        faults.extend(std::iter::repeat_n(fault, count as usize));
    }
    random.shuffle(&mut faults);
    faults
}

/// Waits until every task is over and all that was published is heard, or nothing moves for long. Says how many were set aside, because their
/// holders died again and again, until an operator freed them.
async fn settle(chaos: &Chaos, tasker: &Tasker) -> Outcome<u32> {
    let (mut open, mut unheard, mut freed) = (u64::MAX, u64::MAX, 0);
    let mut moved = Instant::now();
    while moved.elapsed() < STUCK {
        chaos.fleet().replace_ended()?;
        for task in chaos.database.set_aside().await.unwrap_or_default() {
            ask(tasker, task, &Command::Pause).await?;
            ask(tasker, task, &Command::Resume).await?;
            freed += 1;
        }
        // One whose resumption was lost with the database that was to have it.
        for task in chaos.database.paused().await.unwrap_or_default() {
            ask(tasker, task, &Command::Resume).await?;
        }
        match chaos.database.unfinished().await {
            Ok(0) => match chaos.database.unheard().await {
                Ok(0) => break,
                Ok(now) if open != 0 || now < unheard => (open, unheard, moved) = (0, now, Instant::now()),
                Ok(_) | Err(_) => {}
            },
            Ok(now) if now < open => (open, moved) = (now, Instant::now()),
            // The server may still be coming up.
            Ok(_) | Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(freed)
}

/// Asks something of a task, which may have moved on since somebody looked: with its parent, or by itself.
async fn ask(tasker: &Tasker, task: Uuid, command: &Command) -> Outcome<()> {
    match tasker.operate(task, command).await {
        Ok(_) | Err(OperateError::Refused(_) | OperateError::RefusedByHolder { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn read_ledgers(directory: &Path) -> Outcome<(Vec<ledger::Execution>, Vec<ledger::Heard>)> {
    let (mut executions, mut heard) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "ledger") {
            let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            let read = ledger::read(&text).map_err(|problem| format!("{}: {problem}", path.display()))?;
            executions.extend(read);
            heard.extend(ledger::heard(&text));
        }
    }
    Ok((executions, heard))
}
