//! A step that takes its process with it does so to few of those who borrow it.

use std::time::Duration;

use support::{
    stage::{step, template},
    world::{Process, World, eventually, settled, worlds},
};
use tasker_runtime::{
    api::Submission,
    handler::Registration,
    model::{Command, TaskState},
    registry::Registry,
    template::Template,
};

/// Longer than a lease.
const LEASE: Duration = Duration::from_secs(16);

/// The task is in the hands of a process that lacks the handlers and lives on.
async fn holder(world: &World, template: &Template) -> tasker_runtime::Tasker {
    let builder = world.builder(&[]).registry(Registry::of([] as [Registration; 0])).partial(true);
    builder.template(template.clone()).start().await.unwrap()
}

/// Lets a lease pass by without the holder being taken for dead.
async fn outlive(world: &World) {
    for _ in 0..LEASE.as_secs() {
        world.clock.advance(Duration::from_secs(1));
        let lately = world.clock.now().as_micros() - 9_000_000;
        let sql = format!("select count(*) from tasker.workers where id = 1 and seen_at >= {lately}");
        let seen = || async { (world.count(&sql).await == 1).then_some(()) };
        eventually("a sign of life of the holder", seen).await;
    }
}

/// Waits until nobody has the step on loan, which the holder looks after.
async fn free_again(world: &World) {
    let sql = "select count(*) from tasker.offers where taker is not null";
    let free = || async {
        world.clock.advance(Duration::from_millis(500));
        (world.count(sql).await == 0).then_some(())
    };
    eventually("the loan to end", free).await;
}

#[tokio::test]
async fn lent_step_that_kills_its_takers_is_set_aside_and_an_operator_can_take_it_up() {
    let template = template("lent", [step("deadly", &[]), step("b", &["deadly"])]);
    for world in worlds().await {
        let gate = world.stage.gate("deadly");
        let holder = holder(&world, &template).await;
        let task = holder.submit(Submission::to("test/lent")).await.unwrap();
        for death in 1..=5 {
            let taker = Process::start(world.builder(&[]).template(template.clone())).await;
            world.stage.wait_for("deadly", death).await;
            taker.kill();
            outlive(&world).await;
            free_again(&world).await;
        }
        let report = settled(&holder, task).await;
        assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
        let cause = "set aside: 5 processes in a row died while they ran its step `deadly` for others";
        assert_eq!(report.cause.as_deref(), Some(cause), "{}", world.database);
        let letters = || world.column("select reason from tasker.dead_letters where resolved_at is null");
        assert_eq!(letters().await, ["the processes that borrowed one of its steps died in a row"]);
        assert_eq!(world.count("select count(*) from tasker.offers").await, 0, "{}", world.database);

        gate.add_permits(1);
        let taker = world.start(&template).await;
        assert_eq!(world.stage.times("deadly").len(), 5, "{}: nobody else ran it", world.database);
        holder.operate(task, &Command::Retry { steps: Vec::new() }).await.unwrap();
        assert_eq!(letters().await, Vec::<String>::new(), "{}: it is taken up", world.database);
        assert_eq!(settled(&taker, task).await.state, TaskState::Complete, "{}", world.database);
        holder.stop().await.unwrap();
    }
}

/// Does to a worker what another process does that finds its lease run out.
async fn give_up(world: &World, worker: u32) {
    let now = world.clock.now().as_micros();
    let stop = format!("update tasker.workers set stopped_at = {now}, expires_at = 0 where id = {worker}");
    world.change(&stop).await;
    let free =
        format!("update tasker.runs set owner = null, takeovers = takeovers + 1 where owner = {worker}");
    world.change(&free).await;
    let offers = format!("update tasker.offers set taker = null, deaths = deaths + 1 where taker = {worker}");
    world.change(&offers).await;
}

#[tokio::test]
async fn process_that_was_only_slow_counts_as_no_death_of_what_it_held_and_borrowed() {
    let template = template("slow", [step("a", &[])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let alone = world.start(&template).await;
        let held = alone.submit(Submission::to("test/slow")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        give_up(&world, 1).await;
        let forgotten = || async {
            world.clock.advance(Duration::from_millis(500));
            let calls = world.stage.times("a").len();
            (world.count("select takeovers from tasker.runs").await == 0 && calls == 2).then_some(())
        };
        eventually("the death to be counted no more", forgotten).await;
        gate.add_permits(2);
        assert_eq!(settled(&alone, held).await.state, TaskState::Complete, "{}", world.database);
        alone.stop().await.unwrap();
    }
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let holder = holder(&world, &template).await;
        let taker = world.start(&template).await;
        let task = holder.submit(Submission::to("test/slow")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        give_up(&world, 2).await;
        let forgotten = || async {
            world.clock.advance(Duration::from_millis(500));
            let calls = world.stage.times("a").len();
            (world.count("select deaths from tasker.offers").await == 0 && calls == 2).then_some(())
        };
        eventually("the death to be counted no more", forgotten).await;
        gate.add_permits(2);
        assert_eq!(settled(&holder, task).await.state, TaskState::Complete, "{}", world.database);
        taker.stop().await.unwrap();
    }
}
