//! Work goes on after processes died, stopped or lost their leases, and nothing is applied twice.

use std::time::Duration;

use serde_json::json;
use support::{
    stage::{retried, step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::Submission,
    clock::Clock,
    model::{StepState, TaskState},
    prelude::{Cancelled, FromStep},
    template::RetryOptions,
};

/// Longer than a lease.
const LEASE: Duration = Duration::from_secs(16);

/// Lets `by` pass without making the worker `alive` look dead: it always has given a sign of life lately.
async fn pass(world: &World, alive: u64, by: Duration) {
    for _ in 0..by.as_secs() {
        world.clock.advance(Duration::from_secs(1));
        let lately = world.clock.now().as_micros() - 9_000_000;
        let sql = format!("select count(*) from tasker.workers where id = {alive} and seen_at >= {lately}");
        let seen = || async { (world.count(&sql).await == 1).then_some(()) };
        eventually("a sign of life", seen).await;
    }
}

/// Does to the first worker what another process does that finds its lease run out.
async fn give_up_first_worker(world: &World) {
    let now = world.clock.now().as_micros();
    world.change(&format!("update tasker.workers set stopped_at = {now}, expires_at = 0 where id = 1")).await;
    let free = "update tasker.runs set owner = null, state = 0, takeovers = takeovers + 1 where owner = 1";
    world.change(free).await;
}

async fn held(world: &World) -> u64 {
    world.count("select count(*) from tasker.runs where owner is not null and finished_at is null").await
}

#[tokio::test]
async fn what_was_recorded_is_not_done_again_after_a_kill() {
    let template = template("crash", [step("a", &[]), step("b", &["a"]), step("c", &["b"])]);
    for world in worlds().await {
        let gate = world.stage.gate("b");
        let first = world.process(&template).await;
        let task = first.submit(Submission::to("test/crash")).await;
        world.stage.wait_for("b", 1).await;
        first.kill();
        gate.add_permits(1);
        world.clock.advance(LEASE);
        let second = world.start(&template).await;
        let report = settled(&second, task).await;
        assert_eq!(report.result, json!("c"), "{}", world.database);
        assert_eq!(
            world.stage.called(),
            ["a 1", "b 1", "b 1", "c 1"],
            "{}: a crash burns no attempt",
            world.database
        );
    }
}

#[tokio::test]
async fn living_process_takes_up_the_work_of_a_dead_one_once_its_lease_ran_out() {
    let template = template("takeover", [step("a", &[]), step("b", &["a"])]);
    for world in worlds().await {
        let gate = world.stage.gate("b");
        let first = world.process(&template).await;
        let task = first.submit(Submission::to("test/takeover")).await;
        world.stage.wait_for("b", 1).await;
        let second = world.start(&template).await;
        first.kill();
        pass(&world, 2, Duration::from_secs(14)).await;
        assert_eq!(world.stage.called(), ["a 1", "b 1"], "{}: its lease still lives", world.database);
        gate.add_permits(1);
        // Looked for at a third of the lease; then a poll.
        pass(&world, 2, Duration::from_secs(12)).await;
        let report = settled(&second, task).await;
        assert_eq!(report.result, json!("b"), "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1", "b 1", "b 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn failed_attempts_count_across_processes() {
    let plain =
        RetryOptions { max_attempts: Some(2), base: Some(Duration::from_secs(1)), ..RetryOptions::default() };
    let template = template("counting", [retried(step("a", &[]), plain)]);
    for world in worlds().await {
        world.stage.on("a", |_| async { Err(StepError::retryable("DOWN", "no answer")) });
        let first = world.process(&template).await;
        let task = first.submit(Submission::to("test/counting")).await;
        let failed =
            || async { (world.count("select count(*) from tasker.attempts").await == 1).then_some(()) };
        eventually("the first failure", failed).await;
        first.kill();
        world.clock.advance(LEASE);
        let second = world.start(&template).await;
        let report = settled(&second, task).await;
        assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1", "a 2"], "{}", world.database);
    }
}

#[tokio::test]
async fn stop_waits_for_what_runs_and_records_it() {
    let template = template("drain", [step("a", &[]), step("b", &["a"])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        // One that looks once and then, while time stands still, no more.
        let tasker = world.builder(&[("worker.wake", "polling_only")]).template(template.clone());
        let tasker = tasker.start().await.unwrap();
        let task = tasker.submit(Submission::to("test/drain")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        let idle = || async { (tasker.stats().claims > 0).then_some(()) };
        eventually("the first look at the queue", idle).await;
        let stopping = tokio::spawn(tasker.stop());
        for _ in 0..100 {
            // Lets the loops see that they are to stop; nothing of that needs the database.
            tokio::task::yield_now().await;
        }
        gate.add_permits(1);
        stopping.await.unwrap().unwrap();
        let after = world.connect(&template).await;
        let report = after.show(task).await.unwrap().unwrap();
        assert_eq!(report.step("a").unwrap().state, StepState::Complete, "{}", world.database);
        assert_eq!((report.state, held(&world).await), (TaskState::Pending, 0), "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1"], "{}: nothing new was started", world.database);
    }
}

/// From now on `step` returns a word once it is told to stop.
pub(crate) fn listens(world: &World, step: &str) {
    world.stage.on(step, |step| async move {
        Cancelled::from_step(&step)?.await;
        Ok(json!("stopped early"))
    });
}

#[tokio::test]
async fn stop_tells_handlers_and_records_what_they_return() {
    let template = template("told", [step("a", &[]), step("b", &["a"])]);
    for world in worlds().await {
        listens(&world, "a");
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/told")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        tasker.stop().await.unwrap();
        let next = world.start(&template).await;
        let report = settled(&next, task).await;
        assert_eq!(report.step("a").unwrap().result, json!("stopped early"), "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1", "b 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn stop_does_not_start_what_still_waits_for_a_permit() {
    let template = template("queue", [step("a", &[]), step("b", &[])]);
    for world in worlds().await {
        listens(&world, "a");
        listens(&world, "b");
        let tasker = world.builder(&[("worker.concurrency", "1")]).template(template.clone());
        let tasker = tasker.start().await.unwrap();
        tasker.submit(Submission::to("test/queue")).await.unwrap();
        let called = || async { (!world.stage.calls().is_empty()).then_some(()) };
        eventually("the first call", called).await;
        tasker.stop().await.unwrap();
        assert_eq!(world.stage.calls().len(), 1, "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.steps").await, 1, "{}", world.database);
    }
}

#[tokio::test]
async fn stop_gives_back_what_does_not_come_to_an_end_without_burning_an_attempt() {
    let template = template("unburned", [step("a", &[])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let tasker = world.builder(&[("worker.drain_seconds", "0")]).template(template.clone());
        let tasker = tasker.start().await.unwrap();
        let task = tasker.submit(Submission::to("test/unburned")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        tasker.stop().await.unwrap();
        assert_eq!(held(&world).await, 0, "{}", world.database);
        let marks = world.column("select cast(takeovers as text) from tasker.runs").await;
        assert_eq!(marks, ["0"], "{}: stopping is no death", world.database);
        assert_eq!(world.count("select count(*) from tasker.attempts").await, 0, "{}", world.database);
        let live = world.count("select count(*) from tasker.workers where stopped_at is null").await;
        assert_eq!(live, 0, "{}", world.database);

        gate.add_permits(2);
        let next = world.start(&template).await;
        assert_eq!(settled(&next, task).await.state, TaskState::Complete, "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1", "a 1"], "{}: at once, as attempt 1 again", world.database);
    }
}

/// Kills `times` processes, one after the other, each while it runs the step `deadly`.
async fn die_over(world: &World, template: &tasker_runtime::template::Template, times: usize) {
    for _ in 0..times {
        let called = world.stage.times("deadly").len();
        let process = world.process(template).await;
        world.stage.wait_for("deadly", called + 1).await;
        process.kill();
        world.clock.advance(LEASE);
    }
}

#[tokio::test]
async fn task_that_keeps_killing_its_holders_is_set_aside_and_an_operator_can_take_it_up() {
    let template = template("deadly", [step("a", &[]), step("deadly", &["a"])]);
    for world in worlds().await {
        let gate = world.stage.gate("deadly");
        let office = world.connect(&template).await;
        let task = office.submit(Submission::to("test/deadly")).await.unwrap();
        die_over(&world, &template, 5).await;
        let called = world.stage.times("deadly").len();
        let tasker = world.start(&template).await;
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
        let cause = "set aside: 5 processes in a row died while they held this task";
        assert_eq!(report.cause.as_deref(), Some(cause), "{}", world.database);
        assert_eq!(world.stage.times("deadly").len(), called, "{}: it was not called again", world.database);
        let letters = || world.column("select reason from tasker.dead_letters where resolved_at is null");
        let letter = || async { letters().await.pop() };
        let reason = eventually("the dead letter", letter).await;
        assert_eq!(reason, "its holders died in a row without recording anything", "{}", world.database);

        gate.add_permits(1);
        let retry = tasker_runtime::model::Command::Retry { steps: Vec::new() };
        tasker.operate(task, &retry).await.unwrap();
        assert_eq!(letters().await, Vec::<String>::new(), "{}: it is taken up", world.database);
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
        assert_eq!(world.stage.times("a").len(), 1, "{}", world.database);
    }
}

#[tokio::test]
async fn deaths_before_progress_do_not_count() {
    let template = template("progress", [step("deadly", &[]), step("b", &["deadly"])]);
    for world in worlds().await {
        let gate = world.stage.gate("deadly");
        let office = world.connect(&template).await;
        let task = office.submit(Submission::to("test/progress")).await.unwrap();
        die_over(&world, &template, 3).await;
        let last = world.stage.gate("b");
        gate.add_permits(1);
        let tasker = world.start(&template).await;
        world.stage.wait_for("b", 1).await;
        let cleared = || async {
            (world.column("select cast(takeovers as text) from tasker.runs").await == ["0"]).then_some(())
        };
        eventually("the deaths to be forgotten", cleared).await;
        last.add_permits(1);
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
    }
}

/// Two processes run the one step `a` of the same task: the first was taken for dead and does not know it.
/// Returns them with the gates of their calls, which return `late` and `right`.
async fn split(world: &World) -> (Tasker, Tasker, uuid::Uuid, [std::sync::Arc<tokio::sync::Semaphore>; 2]) {
    let template = template("late", [step("a", &[]), step("b", &["a"])]);
    let gates = [(); 2].map(|()| std::sync::Arc::new(tokio::sync::Semaphore::new(0)));
    let (handed, stage) = (gates.clone(), world.stage.clone());
    world.stage.on("a", move |_| {
        let first = stage.times("a").len() == 1;
        let gate = handed[usize::from(!first)].clone();
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(json!(if first { "late" } else { "right" }))
        }
    });
    world.stage.on("b", |step| async move { Ok(json!(step.result::<String>("a")?)) });
    let former = world.start(&template).await;
    let task = former.submit(Submission::to("test/late")).await.unwrap();
    world.stage.wait_for("a", 1).await;
    give_up_first_worker(world).await;
    let holder = world.start(&template).await;
    world.stage.wait_for("a", 2).await;
    (former, holder, task, gates)
}

#[tokio::test]
async fn late_outcome_of_a_former_holder_is_refused_while_the_new_one_runs() {
    for world in worlds().await {
        let (former, holder, task, [late, right]) = split(&world).await;
        late.add_permits(1);
        let refused = || async { (former.stats().late == 1).then_some(()) };
        eventually("the late outcome to be refused", refused).await;
        assert_eq!(world.count("select count(*) from tasker.steps").await, 0, "{}", world.database);
        right.add_permits(1);
        assert_eq!(settled(&holder, task).await.result, json!("right"), "{}", world.database);
        assert_eq!(former.stats().results, 0, "{}", world.database);
    }
}

#[tokio::test]
async fn late_outcome_of_a_former_holder_is_refused_after_the_new_one_is_done() {
    for world in worlds().await {
        let (former, holder, task, [late, right]) = split(&world).await;
        right.add_permits(1);
        assert_eq!(settled(&holder, task).await.result, json!("right"), "{}", world.database);
        late.add_permits(1);
        let refused = || async { (former.stats().late == 1).then_some(()) };
        eventually("the late outcome to be refused", refused).await;
        let report = holder.show(task).await.unwrap().unwrap();
        assert_eq!(report.step("a").unwrap().result, json!("right"), "{}", world.database);
        assert_eq!(world.stage.times("b").len(), 1, "{}", world.database);
    }
}

#[tokio::test]
async fn result_a_former_holder_recorded_just_in_time_is_adopted() {
    let template = template("adopted", [step("a", &[]), step("b", &["a"])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        world.stage.on("b", |step| async move { Ok(json!(step.result::<String>("a")?)) });
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/adopted")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        let former = "insert into tasker.steps (task_id, started_at, finished_at, worker, step, attempt, result) \
                      select id, 1, 2, 99, 0, 1, '\"former\"' from tasker.tasks";
        world.change(former).await;
        gate.add_permits(1);
        let report = settled(&tasker, task).await;
        assert_eq!(report.result, json!("former"), "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1", "b 1"], "{}: nothing ran again", world.database);
    }
}

#[tokio::test]
async fn process_taken_for_dead_drops_what_it_held_and_works_on_as_a_new_worker() {
    let template = template("reborn", [step("a", &[])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/reborn")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        give_up_first_worker(&world).await;
        gate.add_permits(2);
        let reborn = || async {
            world.clock.advance(Duration::from_secs(1));
            (world.count("select count(*) from tasker.workers where stopped_at is null").await == 1)
                .then_some(())
        };
        eventually("a new worker", reborn).await;
        world.clock.advance(Duration::from_secs(2));
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
    }
}

#[tokio::test]
async fn process_taken_for_dead_while_it_has_no_room_takes_tasks_again() {
    let template = template("full", [step("a", &[])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let office = world.connect(&template).await;
        for _ in 0..5 {
            office.submit(Submission::to("test/full")).await.unwrap();
        }
        let tasker = world.builder(&[("worker.held_tasks", "2")]).template(template.clone());
        let _tasker = tasker.start().await.unwrap();
        world.stage.wait_for("a", 2).await;
        give_up_first_worker(&world).await;
        let anew = || async {
            world.clock.advance(Duration::from_secs(1));
            (world.stage.called().len() >= 4).then_some(())
        };
        eventually("the tasks to be taken again", anew).await;
        gate.add_permits(100);
        let over = || async {
            world.clock.advance(Duration::from_secs(1));
            (world.count("select count(*) from tasker.runs where state = 10").await == 5).then_some(())
        };
        eventually("all tasks to be over", over).await;
    }
}

#[tokio::test]
async fn process_whose_clock_was_left_behind_by_the_machines_follows_it() {
    // On PostgreSQL it follows the database's.
    for world in worlds().await {
        let clock = Clock::system();
        clock.advance(Duration::from_secs(3600));
        let template = template("clock", [step("a", &[])]);
        let _tasker = world.builder(&[]).clock(clock.clone()).template(template).start().await.unwrap();
        let right = || async {
            let machine = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            let off = clock.now().as_micros() - i64::try_from(machine.as_micros()).unwrap();
            (off < 600_000_000).then_some(())
        };
        eventually("the clock to be right", right).await;
    }
}
