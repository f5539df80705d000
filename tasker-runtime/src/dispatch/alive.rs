//! Keeps this process's leases alive and looks for those of processes that are gone.

use std::{sync::Arc, time::Duration};

use super::{announce::News, engine::Shared, message::TaskLoops};
use crate::{
    model::{Timestamp, task_loop::Message},
    orchestration::{
        commands::{self, Asked, Refused},
        recover,
    },
};

/// How long a command waits at most until the holder of its task sees it, where nobody tells of it.
const LOOK_FOR_COMMANDS: Duration = Duration::from_secs(1);

/// Beats until nothing is held or on loan any more, at a third of the lease.
pub(crate) async fn run(shared: Arc<Shared>, loops: TaskLoops) {
    let period = shared.settings.lease / 3;
    let mut told = Told::new(&shared);
    // The first beat only looks around: who else is there?
    let mut next = shared.clock.now() + period;
    if let Err(error) = beat(&shared, &mut told).await {
        tracing::warn!(%error, "the lease could not be renewed");
    }
    loop {
        tokio::select! {
            () = shared.over.cancelled() => break,
            () = shared.met.notified() => {
                if let Err(error) = look_around(&shared).await {
                    tracing::debug!(%error, "the next beat sees who else is there");
                }
                continue;
            }
            () = shared.clock.sleep_until(next) => {}
        }
        // Counted from the beginning: one that takes long makes the next one no later.
        next = shared.clock.now() + period;
        match beat(&shared, &mut told).await {
            Ok(true) => {}
            Ok(false) => {
                replace_worker(&shared, &loops).await;
                told = Told::new(&shared);
            }
            Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
        }
    }
}

/// Hands the commands of operators to those who hold their tasks until the engine stops; follows those for
/// tasks nobody holds any more.
pub(crate) async fn run_commands(shared: Arc<Shared>, loops: TaskLoops) {
    loop {
        tokio::select! {
            () = shared.stopping.cancelled() => break,
            () = shared.asked.notified() => {}
            () = shared.clock.sleep(shared.pause(LOOK_FOR_COMMANDS)) => {}
        }
        if let Err(error) = pass_commands(&shared, &loops).await {
            tracing::warn!(%error, "commands wait for the database");
        }
    }
}

async fn pass_commands(shared: &Shared, loops: &TaskLoops) -> crate::store::Result<()> {
    let mut connection = shared.store.reader().await?;
    let waiting = commands::waiting(&mut connection, shared.worker().0).await?;
    drop(connection);
    for command in waiting {
        if command.held && command.over.is_none() {
            loops.send(command.task, Message::Command(command.pending()));
            continue;
        }
        // Known before a connection is held: to read it with another one, all may be waiting for each other.
        if let Err(error) = shared.plans.kept(command.template).await {
            tracing::warn!(task = %command.uuid, %error, "a command cannot be followed here");
            continue;
        }
        let mut connection = shared.store.writer().await?;
        let known = |template| shared.plans.known(template);
        match commands::follow_left(&mut connection, &command, shared.clock.now(), known).await {
            Ok(Some(Asked::Done(_))) => shared.hint_all(),
            // Somebody took the task meanwhile, or has seen to it.
            Ok(_) => {}
            Err(Refused::Command(problem)) => {
                tracing::warn!(task = %command.uuid, %problem, "an operator's command does not fit any more");
            }
            Err(Refused::Store(error)) => return Err(error),
        }
    }
    Ok(())
}

/// What others know of what runs here.
struct Told {
    activity: String,
    /// When they were told.
    at: Timestamp,
}

impl Told {
    /// A new worker: nothing is known of it.
    fn new(shared: &Shared) -> Self {
        Self { activity: "[]".to_owned(), at: shared.clock.now() }
    }
}

async fn beat(shared: &Shared, told: &mut Told) -> crate::store::Result<bool> {
    let asked = shared.clock.now();
    match shared.store.now().await? {
        Some(time) => shared.clock.follow(time, asked),
        None => shared.clock.follow_machine(),
    }
    let mut connection = shared.store.writer().await?;
    let now = shared.clock.now();
    let news = shared.running.news(told.at, &told.activity);
    let (worker, lease) = (shared.worker(), shared.settings.lease);
    let alive = recover::heartbeat(&mut connection, worker, now, lease, news.as_deref()).await?;
    told.activity = news.unwrap_or_else(|| std::mem::take(&mut told.activity));
    told.at = now;
    drop(connection);
    let mut freed = recover::take_back_gone(&shared.store, now).await?;
    // The common case, in which nobody is gone, costs one question.
    if look_around(shared).await? {
        freed += recover::take_back_expired(&mut shared.store.writer().await?, now).await?;
        look_around(shared).await?;
    }
    if freed > 0 {
        tracing::info!(tasks = freed, "freed the tasks of a process that is gone");
        shared.hint_all();
    }
    Ok(alive)
}

/// Notes how many other workers there are to lend steps to. True: the lease of one has run out.
async fn look_around(shared: &Shared) -> crate::store::Result<bool> {
    let workers = recover::live(&mut shared.store.reader().await?).await?;
    shared.permits.set_other_workers(workers.iter().filter(|other| other.id != shared.worker()).count());
    let now = shared.clock.now();
    Ok(workers.iter().any(|worker| worker.expires_at < now))
}

/// This process was taken for dead: others have its tasks. It forgets them and goes on as a new worker.
async fn replace_worker(shared: &Shared, loops: &TaskLoops) {
    tracing::warn!("this worker was given up by others; it starts anew and drops what it held");
    loops.all(|| Message::Forget);
    let registered = async {
        let mut connection = shared.store.writer().await?;
        recover::register(&mut connection, &shared.about(), shared.clock.now(), shared.settings.lease).await
    };
    match registered.await {
        Ok(worker) => {
            shared.become_worker(worker);
            shared.announcer.tell(News::Company);
        }
        Err(error) => tracing::error!(%error, "could not register anew"),
    }
}
