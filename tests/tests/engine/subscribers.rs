//! Functions that hear domain events: what they hear, in which order, and what becomes of events that fail.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::json;
use support::{
    stage::{step, template},
    world::{Process, World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::{Builder, ResetTo, StartError, Submission, SubscriptionReport},
    handler::{Attempt, Cancelled, Event, State},
    prelude::{Json, event_subscriber, subscribers},
    template::{DeliveryMode, PublishedEvent, Template},
};
use uuid::Uuid;

use crate::waits::submitted;

/// What the subscribers of a test heard, and which events they are to fail for.
#[derive(Default)]
struct Ears {
    heard: Mutex<Vec<(Uuid, String)>>,
    /// By step: how many times it is to be in vain.
    failing: Mutex<BTreeMap<&'static str, u32>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ears {
    fn hear(&self, event: &Event<Json>, attempt: Attempt) -> Result<(), StepError> {
        if let Some(left) = lock(&self.failing).get_mut(&*event.step).filter(|left| **left > 0) {
            *left -= 1;
            return Err(StepError::retryable("DOWN", "no answer"));
        }
        let again = if event.redelivered { " again" } else { "" };
        lock(&self.heard).push((event.task, format!("{} {}{again}", event.step, attempt.number)));
        Ok(())
    }

    fn fail(&self, step: &'static str, times: u32) {
        lock(&self.failing).insert(step, times);
    }

    fn of(&self, task: Uuid) -> Vec<String> {
        lock(&self.heard).iter().filter(|(of, _)| *of == task).map(|(_, what)| what.clone()).collect()
    }

    fn count(&self) -> usize {
        lock(&self.heard).len()
    }
}

type Shared = std::sync::Arc<Ears>;
type Gate = std::sync::Arc<tokio::sync::Semaphore>;

#[event_subscriber("order.*", retry(max_attempts = 3, base = "10s", backoff = "none"))]
async fn ledger(event: Event<Json>, ears: State<Shared>, attempt: Attempt) -> Result<(), StepError> {
    ears.hear(&event, attempt)
}

#[event_subscriber("order.*", name = "ledger", from = "start")]
async fn from_start(event: Event<Json>, ears: State<Shared>, attempt: Attempt) -> Result<(), StepError> {
    ears.hear(&event, attempt)
}

#[event_subscriber("order.*", "other.thing", name = "odd", retry = 1, from = "start")]
async fn odd(event: Event<Json>, cancelled: Cancelled, ears: State<Shared>) {
    assert!(!cancelled.is_cancelled());
    assert!(*event.step != *"b", "this one it does not like");
    lock(&ears.heard).push((event.task, event.step.to_string()));
}

#[event_subscriber("order.*", name = "numbers", from = "start")]
async fn numbers(event: Event<u64>) {
    drop(event);
}

#[event_subscriber("order.*", name = "slow", timeout = "5s", retry = 1, from = "start")]
async fn slow(_: Event<Json>) {
    std::future::pending::<()>().await;
}

#[event_subscriber("order.*", namespaces = ["other"], from = "start")]
async fn elsewhere(event: Event<Json>, ears: State<Shared>, attempt: Attempt) -> Result<(), StepError> {
    ears.hear(&event, attempt)
}

#[event_subscriber("order.*", delivery = "fast", concurrency = 1)]
async fn quick(event: Event<Json>, ears: State<Shared>, gate: State<Gate>) {
    let Ok(permit) = gate.acquire().await else { return };
    permit.forget();
    lock(&ears.heard).push((event.task, format!("{} {}", event.name, event.data.as_str())));
}

/// Three steps, one after the other, each of which publishes `order.<step>`.
fn order() -> Template {
    let telling = |name: &str, after: &[&str]| {
        let mut step = step(name, after);
        step.publishes_events.push(PublishedEvent::new(format!("order.{name}")));
        step
    };
    template("order", [telling("a", &[]), telling("b", &["a"]), telling("c", &["b"])])
}

fn builder(world: &World, ears: &Shared) -> Builder {
    world.builder(&[]).template(order()).state(ears.clone())
}

async fn heard(ears: &Ears, count: usize) {
    eventually(&format!("{count} events"), || async { (ears.count() >= count).then_some(()) }).await;
}

async fn report(tasker: &Tasker, name: &str) -> SubscriptionReport {
    tasker.subscriptions().get(name).await.unwrap().unwrap()
}

/// The subscription once it is like this.
async fn once(
    tasker: &Tasker,
    name: &str,
    what: &str,
    is: impl Fn(&SubscriptionReport) -> bool,
) -> SubscriptionReport {
    eventually(what, || async { Some(report(tasker, name).await).filter(|report| is(report)) }).await
}

#[tokio::test]
async fn durable_subscriber_hears_each_event_in_order_and_goes_on_where_it_was() {
    for world in worlds().await {
        let ears = Shared::default();
        // What was before it was is not heard.
        let tasker = world.start(&order()).await;
        settled(&tasker, submitted(&tasker, &order()).await).await;
        tasker.stop().await.unwrap();

        let tasker = builder(&world, &ears).subscribers(subscribers![ledger]).start().await.unwrap();
        let first = submitted(&tasker, &order()).await;
        settled(&tasker, first).await;
        heard(&ears, 3).await;
        let end = tasker.events().position().await.unwrap();
        let told = once(&tasker, "ledger", "the place", |report| report.position == end).await;
        assert_eq!((told.behind, told.parked, told.dead), (0, 0, 0), "{}", world.database);
        assert_eq!(told.state.as_str(), "live");
        tasker.stop().await.unwrap();

        // Nobody hears what is recorded meanwhile; who starts next does.
        let tasker = world.start(&order()).await;
        assert_eq!(report(&tasker, "ledger").await.state.as_str(), "orphaned");
        let second = submitted(&tasker, &order()).await;
        settled(&tasker, second).await;
        tasker.stop().await.unwrap();
        assert_eq!(ears.of(second), [""; 0]);
        let tasker = builder(&world, &ears).subscribers(subscribers![ledger]).start().await.unwrap();
        heard(&ears, 6).await;
        for task in [first, second] {
            assert_eq!(ears.of(task), ["a 1", "b 1", "c 1"], "{}", world.database);
        }
        tasker.stop().await.unwrap();
        assert_eq!(ears.count(), 6, "{}", world.database);
    }
}

#[tokio::test]
async fn event_that_fails_is_parked_with_those_of_its_task_and_others_go_on() {
    for world in worlds().await {
        let ears = Shared::default();
        ears.fail("b", 1);
        let tasker = builder(&world, &ears).subscribers(subscribers![ledger]).start().await.unwrap();
        let first = submitted(&tasker, &order()).await;
        settled(&tasker, first).await;
        let parked = once(&tasker, "ledger", "what is parked", |report| report.parked == 2).await;
        assert_eq!((parked.dead, ears.of(first)), (0, vec!["a 1".to_owned()]), "{}", world.database);
        let second = submitted(&tasker, &order()).await;
        settled(&tasker, second).await;
        heard(&ears, 4).await;
        assert_eq!(ears.of(second), ["a 1", "b 1", "c 1"], "{}", world.database);
        // Its time comes.
        world.clock.advance(Duration::from_secs(20));
        heard(&ears, 6).await;
        assert_eq!(ears.of(first), ["a 1", "b 2 again", "c 1"], "{}", world.database);
        once(&tasker, "ledger", "nothing that is parked", |report| report.parked == 0).await;
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn attempts_that_are_spent_make_a_dead_letter_and_what_waits_behind_it_goes_on() {
    for world in worlds().await {
        let ears = Shared::default();
        ears.fail("a", 3);
        let tasker = builder(&world, &ears).subscribers(subscribers![ledger]).start().await.unwrap();
        let task = submitted(&tasker, &order()).await;
        settled(&tasker, task).await;
        let dead = eventually("the dead letter", || async {
            world.clock.advance(Duration::from_secs(1));
            Some(report(&tasker, "ledger").await).filter(|report| report.dead == 1)
        });
        dead.await;
        heard(&ears, 2).await;
        assert_eq!(ears.of(task), ["b 1", "c 1"], "{}", world.database);
        let rows = world.rows("select attempts, next_at, cast(error as text) from tasker.parked").await;
        let error = rows[0][2].as_deref().unwrap();
        assert_eq!((rows.len(), rows[0][0].as_deref(), &rows[0][1]), (1, Some("3"), &None));
        assert!(error.contains("DOWN"), "{error}");
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn panic_timeout_and_data_of_another_shape_are_failures_that_keep_the_event() {
    for world in worlds().await {
        let ears = Shared::default();
        let three = subscribers![odd, numbers, slow];
        let tasker = builder(&world, &ears).subscribers(three).start().await.unwrap();
        let task = submitted(&tasker, &order()).await;
        settled(&tasker, task).await;
        heard(&ears, 2).await;
        assert_eq!(ears.of(task), ["a", "c"], "{}", world.database);
        once(&tasker, "odd", "the panic", |report| report.dead == 1).await;
        once(&tasker, "numbers", "what is no number", |report| report.dead == 3).await;
        eventually("the timeouts", || async {
            world.clock.advance(Duration::from_secs(1));
            Some(report(&tasker, "slow").await).filter(|report| report.dead == 3)
        })
        .await;
        let errors =
            world.column("select cast(error as text) from tasker.parked order by subscription_id, position");
        let errors = errors.await.join("\n");
        for code in ["PANIC", "INVALID_EVENT_DATA", "TIMEOUT"] {
            assert!(errors.contains(code), "{}: {errors}", world.database);
        }
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn process_that_is_killed_leaves_its_subscriptions_to_another() {
    for world in worlds().await {
        let (first, second) = (Shared::default(), Shared::default());
        let process = Process::start(builder(&world, &first).subscribers(subscribers![from_start])).await;
        let tasks = [(); 5].map(|()| Submission::to("test/order"));
        let mut ids = Vec::new();
        for task in tasks {
            ids.push(process.submit(task).await);
        }
        heard(&first, 4).await;
        process.kill();
        let tasker = builder(&world, &second).subscribers(subscribers![from_start]).start().await.unwrap();
        for task in &ids {
            eventually("the end of the task", || async {
                world.clock.advance(Duration::from_secs(1));
                tasker.show(*task).await.unwrap().unwrap().state.is_final().then_some(())
            })
            .await;
        }
        let end = tasker.events().position().await.unwrap();
        eventually("the end of the log", || async {
            // The lease of the first process has to run out.
            world.clock.advance(Duration::from_secs(1));
            (report(&tasker, "ledger").await.position == end).then_some(())
        })
        .await;
        for task in ids {
            let mut sightings = Vec::new();
            for sighting in first.of(task).into_iter().chain(second.of(task)) {
                if !sightings.contains(&sighting) {
                    sightings.push(sighting);
                }
            }
            assert_eq!(sightings, ["a 1", "b 1", "c 1"], "{}", world.database);
        }
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn operator_pauses_resumes_and_resets() {
    for world in worlds().await {
        let ears = Shared::default();
        let tasker = builder(&world, &ears).subscribers(subscribers![ledger]).start().await.unwrap();
        let first = submitted(&tasker, &order()).await;
        settled(&tasker, first).await;
        heard(&ears, 3).await;
        let middle = tasker.events().position().await.unwrap();
        once(&tasker, "ledger", "the end of the log", |report| report.position == middle).await;
        assert_eq!(tasker.subscriptions().pause("ledger").await.unwrap().state.as_str(), "paused");
        tasker.stop().await.unwrap();
        let tasker = builder(&world, &ears).subscribers(subscribers![ledger]).start().await.unwrap();
        let second = submitted(&tasker, &order()).await;
        settled(&tasker, second).await;
        assert_eq!(
            (ears.of(second), report(&tasker, "ledger").await.behind),
            (vec![], 3),
            "{}",
            world.database
        );
        tasker.subscriptions().resume("ledger").await.unwrap();
        heard(&ears, 6).await;
        let end = tasker.events().position().await.unwrap();
        once(&tasker, "ledger", "the end of the log", |report| report.position == end).await;
        for (to, count) in [
            (ResetTo::Start, 12),
            (ResetTo::Position(middle), 15),
            (ResetTo::Now, 15),
            (ResetTo::Time(support::world::START), 21),
        ] {
            let moved = tasker.subscriptions().reset("ledger", to).await.unwrap();
            heard(&ears, count).await;
            let end = tasker.events().position().await.unwrap();
            once(&tasker, "ledger", "the end of the log", |report| report.position == end).await;
            assert_eq!(ears.count(), count, "{}: {to:?} {moved:?}", world.database);
        }
        let unknown = tasker.subscriptions().pause("legder").await.unwrap_err();
        assert_eq!(unknown.to_string(), "there is no subscription `legder`");
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn subscription_hears_its_namespaces_alone() {
    for world in worlds().await {
        let ears = Shared::default();
        let tasker = builder(&world, &ears).subscribers(subscribers![elsewhere]).start().await.unwrap();
        settled(&tasker, submitted(&tasker, &order()).await).await;
        let end = tasker.events().position().await.unwrap();
        once(&tasker, "elsewhere", "the end of the log", |report| report.position == end).await;
        assert_eq!(ears.count(), 0, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn fast_subscriber_hears_what_is_fast_or_broadcast_and_loses_the_oldest_of_too_many() {
    for world in worlds().await {
        let ears = Shared::default();
        let mut tell = step("tell", &[]);
        for (name, mode) in [
            ("order.durable", DeliveryMode::Durable),
            ("order.fast", DeliveryMode::Fast),
            ("order.broadcast", DeliveryMode::Broadcast),
        ] {
            let event = PublishedEvent { delivery_mode: mode, ..PublishedEvent::new(name) };
            tell.publishes_events.push(event);
        }
        let told = template("told", [tell]);
        world.stage.on("tell", |_| async { Ok(json!(7)) });
        let builder = world.builder(&[]).template(told.clone()).state(ears.clone());
        let gate = Gate::new(tokio::sync::Semaphore::new(2));
        let builder = builder.state(gate.clone()).subscribers(subscribers![quick]);
        let tasker = builder.start().await.unwrap();
        let task = submitted(&tasker, &told).await;
        settled(&tasker, task).await;
        heard(&ears, 2).await;
        assert_eq!(ears.of(task), ["order.fast 7", "order.broadcast 7"], "{}", world.database);
        assert_eq!(tasker.events().dropped(), [("quick", 0)]);
        // It hears nothing further: of 1,200 one is being heard, 1,024 wait, and the others are lost.
        let tasks = tasker.submit_all((0..600).map(|_| Submission::to("test/told"))).await.unwrap();
        for task in tasks {
            settled(&tasker, task).await;
        }
        eventually("what is lost", || async { (tasker.events().dropped()[0].1 == 175).then_some(()) }).await;
        // It is in no table.
        assert_eq!(world.count("select count(*) from tasker.subscriptions").await, 0, "{}", world.database);
        gate.close();
        tasker.stop().await.unwrap();
    }
}

#[event_subscriber("order.*", name = "ledger")]
async fn second_ledger(_: Event<Json>) {}

#[event_subscriber("oder.a", name = "mistyped")]
async fn mistyped(_: Event<Json>) {}

#[event_subscriber("order.a", delivery = "fast", name = "deaf")]
async fn deaf(_: Event<Json>) {}

#[tokio::test]
async fn start_refuses_two_of_one_name_and_missing_state_and_warns_of_what_nobody_publishes() {
    for world in worlds().await {
        let ears = Shared::default();
        let twice = builder(&world, &ears).subscribers(subscribers![ledger, second_ledger]).check();
        let Err(StartError::Wiring { problems }) = twice else { panic!("two of one name start") };
        let [problem] = &*problems else { panic!("{problems:?}") };
        assert!(problem.starts_with("two subscribers are called `ledger`: "), "{problem}");
        assert_eq!(problem.matches("subscribers.rs:").count(), 2, "{problem}");

        let without = world.builder(&[]).template(order()).subscribers(subscribers![ledger]).check();
        let Err(StartError::Wiring { problems }) = without else { panic!("it starts without its state") };
        assert!(
            problems[0].contains("takes `State<") && problems[0].contains(".state(value)"),
            "{problems:?}"
        );

        // The same one twice is one.
        let odd = subscribers![mistyped, deaf, ledger, ledger];
        let checked = builder(&world, &ears).subscribers(odd).check().unwrap();
        let warnings: Vec<_> =
            checked.warnings().iter().filter(|text| text.starts_with("subscriber")).collect();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("hears `oder.a`") && warnings[0].ends_with("did you mean `order.a`?"));
        assert!(warnings[1].contains("`deaf`") && warnings[1].contains("published as durable alone"));
    }
}
