//! Behind a PgBouncer everything goes as it does without one, in both of its modes.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use serde_json::json;
use support::{
    TestDatabase, fresh_postgres,
    pooler::{Mode, Pooler},
    stage::{Stage, retried, step, template},
    world::{World, eventually, settled},
};
use tasker_runtime::{
    StepError, Tasker,
    api::{Builder, Submission},
    handler::Registration,
    model::{Command, Json, TaskState},
    registry::Registry,
    template::{RetryOptions, Template},
};

/// A world whose processes reach their database through a pooler.
struct Behind {
    world: World,
    url: String,
    _pooler: Pooler,
}

impl Behind {
    async fn a_pooler(mode: Mode) -> Self {
        let database: TestDatabase = fresh_postgres().await;
        let pooler = Pooler::start(&database.url, mode).unwrap_or_else(|why| panic!("{why}"));
        let url = pooler.url(&database.url).unwrap();
        let url = match mode {
            Mode::Session => url,
            Mode::Transaction => format!("{url}?statement-cache-capacity=0"),
        };
        Self { world: World::on(database), url, _pooler: pooler }
    }

    fn builder(&self, template: &Template) -> Builder {
        self.world.builder(&[]).database(&self.url).template(template.clone())
    }
}

async fn modes() -> Vec<Behind> {
    vec![Behind::a_pooler(Mode::Session).await, Behind::a_pooler(Mode::Transaction).await]
}

/// The task once it is over or cannot go on; time goes by meanwhile.
async fn over(world: &World, tasker: &Tasker, task: uuid::Uuid) -> tasker_runtime::api::TaskReport {
    let look = || async {
        world.clock.advance(Duration::from_millis(250));
        let report = tasker.show(task).await.unwrap().unwrap();
        (report.state.is_final() || report.state == TaskState::BlockedByFailures).then_some(report)
    };
    eventually("the end", look).await
}

fn fails_once(stage: &Stage, step: &str) {
    stage.on(step, |step| async move {
        match step.attempt() {
            1 => Err(StepError::retryable("ONCE", "not yet")),
            _ => Ok(step.name().into()),
        }
    });
}

#[tokio::test]
async fn tasks_run_with_retries_and_several_processes() {
    let second = RetryOptions { base: Some(Duration::from_secs(1)), ..RetryOptions::default() };
    let again = retried(step("b", &["a"]), second);
    let template = template("chain", [step("a", &[]), again, step("c", &["b"])]);
    for behind in modes().await {
        let world = &behind.world;
        fails_once(&world.stage, "b");
        // Three that start at once make the tables through the pooler.
        let start = || behind.builder(&template).start();
        let (one, two, three) = tokio::join!(start(), start(), start());
        let taskers = [one.unwrap(), two.unwrap(), three.unwrap()];
        let mut tasks = Vec::new();
        for number in 0..60 {
            let tasker = &taskers[number % 3];
            tasks.push(tasker.submit(Submission::to("test/chain")).await.unwrap());
        }
        for task in tasks {
            let report = over(world, &taskers[0], task).await;
            assert_eq!((report.state, report.result), (TaskState::Complete, json!("c")));
        }
        assert_eq!(world.stage.times("b").len(), 120);
        for tasker in taskers {
            tasker.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn steps_are_lent_and_operators_are_heard() {
    let template = template("lent", [step("a", &[]), step("b", &["a"])]);
    for behind in modes().await {
        let world = &behind.world;
        let none = Registry::of([] as [Registration; 0]);
        let holder = behind.builder(&template).registry(none).partial(true).start().await.unwrap();
        let taker = behind.builder(&template).start().await.unwrap();
        let task = holder.submit(Submission::to("test/lent")).await.unwrap();
        assert_eq!(over(world, &holder, task).await.state, TaskState::Complete);

        world.stage.on("a", |_| async { Err(StepError::permanent("NO", "never")) });
        let keyed = || Submission::to("test/lent").idempotency_key("once");
        let task = holder.submit(keyed()).await.unwrap();
        assert_eq!(holder.submit(keyed()).await.unwrap(), task);
        assert_eq!(over(world, &holder, task).await.state, TaskState::BlockedByFailures);
        let resolve = Command::Resolve { step: "a".to_owned(), result: Json::from_text("1").unwrap() };
        let operate = holder.operate(task, &resolve);
        operate.await.unwrap();
        let report = over(world, &holder, task).await;
        assert_eq!(report.state, TaskState::Complete);
        assert_eq!(settled(&taker, task).await.state, TaskState::Complete);
        taker.stop().await.unwrap();
        holder.stop().await.unwrap();
    }
}

#[tokio::test]
async fn work_of_a_process_that_died_is_taken_up() {
    let template = template("crash", [step("a", &[]), step("b", &["a"])]);
    for behind in modes().await {
        let world = &behind.world;
        let gate = world.stage.gate("b");
        let first = support::world::Process::start(behind.builder(&template)).await;
        let task = first.submit(Submission::to("test/crash")).await;
        world.stage.wait_for("b", 1).await;
        first.kill();
        gate.add_permits(1);
        world.clock.advance(Duration::from_secs(16));
        let second = behind.builder(&template).start().await.unwrap();
        assert_eq!(over(world, &second, task).await.state, TaskState::Complete);
        assert_eq!(world.stage.called(), ["a 1", "b 1", "b 1"]);
        second.stop().await.unwrap();
    }
}
