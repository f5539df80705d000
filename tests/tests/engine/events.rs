//! The domain events of steps: which there are, how they are numbered, and that they are there with the outcome they
//! tell of and never without.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use support::{
    stage::{retried, step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::{EventFilter, EventReport, Submission},
    handler::HandlerSpec,
    handlers,
    model::{Command, TaskState},
    prelude::{Events, step_handler},
    registry::Registry,
    template::{
        DeliveryMode, EventCondition, OnFailure, PublishedEvent, RetryOptions, SignalConfig, Step, StepKind,
        Template,
    },
};
use uuid::Uuid;

use crate::{
    lending::{plain, plays, process},
    operators::{in_state, resolve, skip},
    waits::submitted,
};

const CONDITIONS: [EventCondition; 5] = [
    EventCondition::Success,
    EventCondition::Failure,
    EventCondition::RetryableFailure,
    EventCondition::PermanentFailure,
    EventCondition::Always,
];

/// The step, which publishes one event for each condition, named like `charge.on_success`.
fn telling(mut step: Step) -> Step {
    for condition in CONDITIONS {
        let event =
            PublishedEvent { condition, ..PublishedEvent::new(format!("{}.on_{condition}", step.name)) };
        step.publishes_events.push(event);
    }
    step
}

fn twice() -> RetryOptions {
    let base = Some(Duration::from_millis(10));
    RetryOptions { max_attempts: Some(2), base, max: base, ..RetryOptions::default() }
}

async fn events_of(tasker: &Tasker, task: Uuid) -> Vec<EventReport> {
    let events = tasker.events().of(task, 0, 1_000).await.unwrap();
    let sequence: Vec<u32> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequence, (1..).take(events.len()).collect::<Vec<u32>>());
    let ids: BTreeSet<Uuid> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), events.len(), "each has an identity of its own");
    events
}

fn names(events: &[EventReport]) -> Vec<String> {
    events.iter().map(|event| format!("{} {}", event.name, event.attempt)).collect()
}

/// Moves time on until the task is over.
async fn to_its_end(world: &World, tasker: &Tasker, task: Uuid) -> TaskState {
    eventually("the task to be over", || async {
        world.clock.advance(Duration::from_millis(50));
        let state = tasker.show(task).await.unwrap().unwrap().state;
        (state.is_final() || state == TaskState::BlockedByFailures).then_some(state)
    })
    .await
}

#[tokio::test]
async fn each_attempt_publishes_what_its_outcome_says() {
    for world in worlds().await {
        world.stage.on("charge", |step| async move {
            match step.attempt() {
                1 => Err(StepError::retryable("DOWN", "no answer")),
                _ => Ok(json!({"charged": 7})),
            }
        });
        world.stage.on("ship", |_| async { Err::<Value, _>(StepError::permanent("LOST", "gone")) });
        let order = template(
            "order",
            [telling(retried(step("charge", &[]), twice())), telling(step("ship", &["charge"]))],
        );
        let tasker = world.start(&order).await;
        let task = submitted(&tasker, &order).await;
        assert_eq!(to_its_end(&world, &tasker, task).await, TaskState::BlockedByFailures);
        let events = events_of(&tasker, task).await;
        let expected = [
            "charge.on_failure 1",
            "charge.on_retryable_failure 1",
            "charge.on_always 1",
            "charge.on_success 2",
            "charge.on_always 2",
            "ship.on_failure 1",
            "ship.on_permanent_failure 1",
            "ship.on_always 1",
        ];
        assert_eq!(names(&events), expected, "{}", world.database);
        assert_eq!(events[3].data.to_value(), json!({"charged": 7}));
        let failure = events[0].data.to_value();
        assert_eq!((&failure["code"], &failure["kind"]), (&json!("DOWN"), &json!("retryable")));
        assert_eq!((&failure["attempt"], &failure["max_attempts"]), (&json!(1), &json!(2)));
        assert!(failure["retry_at"].is_string(), "{failure}");
        assert_eq!(events[5].data.to_value()["kind"], "permanent");
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn envelope_says_where_an_event_comes_from() {
    for world in worlds().await {
        let mut charge = step("charge", &[]);
        charge.publishes_events.push(PublishedEvent::new("order.charged"));
        let order = template("order", [charge]);
        world.stage.on("charge", |_| async { Ok(json!([1, 2])) });
        let tasker = world.start(&order).await;
        let task = submitted(&tasker, &order).await;
        settled(&tasker, task).await;
        let report = tasker.show(task).await.unwrap().unwrap();
        let events = events_of(&tasker, task).await;
        let envelope = serde_json::to_value(&events[0]).unwrap();
        let expected = json!({
            "specversion": "1.0", "id": events[0].id, "type": "order.charged", "source": "/tasker/test/order",
            "subject": task, "time": report.step("charge").unwrap().finished_at, "datacontenttype": "application/json",
            "sequence": "1", "position": events[0].position.to_string(), "partitionkey": task,
            "correlationid": report.correlation_id, "template": "order", "templateversion": "1.0.0",
            "step": "charge", "attempt": 1, "outcome": "success", "origin": "handler", "data": [1, 2],
        });
        assert_eq!(envelope, expected, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn operator_that_resolves_a_step_publishes_its_success_and_one_that_skips_it_nothing() {
    for world in worlds().await {
        for name in ["charge", "ship"] {
            world.stage.on(name, |_| async { Err::<Value, _>(StepError::permanent("NO", "never")) });
        }
        let order = template("order", [telling(step("charge", &[])), telling(step("ship", &["charge"]))]);
        let tasker = world.start(&order).await;
        let task = submitted(&tasker, &order).await;
        in_state(&tasker, task, TaskState::BlockedByFailures).await;
        tasker.operate(task, &resolve("charge", json!(42))).await.unwrap();
        in_state(&tasker, task, TaskState::BlockedByFailures).await;
        tasker.operate(task, &skip("ship")).await.unwrap();
        settled(&tasker, task).await;
        let events = events_of(&tasker, task).await;
        let expected = [
            "charge.on_failure 1",
            "charge.on_permanent_failure 1",
            "charge.on_always 1",
            "charge.on_success 0",
            "charge.on_always 0",
            "ship.on_failure 1",
            "ship.on_permanent_failure 1",
            "ship.on_always 1",
        ];
        assert_eq!(names(&events), expected, "{}", world.database);
        assert_eq!((events[3].outcome.as_str(), events[3].origin()), ("resolved", "operator"));
        assert_eq!(events[3].data.as_str(), "42");
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn batches_and_waits_publish_like_steps() {
    for world in worlds().await {
        let batch = |start: u8| json!({ "start": start, "end": start + 1 });
        world.stage.on("cut", move |_| async move { Ok(json!({ "batches": [batch(0), batch(1)] })) });
        let publishes = |mut step: Step, name: &str| {
            step.publishes_events.push(PublishedEvent::new(name));
            step
        };
        let timer = tasker_runtime::template::TimerConfig::Delay(Duration::from_secs(1));
        let cut = template(
            "cut",
            [
                publishes(step("cut", &[]).kind(StepKind::Batchable), "cut.planned"),
                publishes(step("work", &["cut"]).kind(StepKind::BatchWorker), "cut.worked"),
                step("gather", &["work"]).kind(StepKind::DeferredConvergence),
                publishes(Step::timer("rest", timer).after(["gather"]), "cut.rested"),
                publishes(Step::signal("go", SignalConfig::default()).after(["rest"]), "cut.told"),
            ],
        );
        let tasker = world.start(&cut).await;
        let task = submitted(&tasker, &cut).await;
        let go = tasker_runtime::api::Message::named("go").payload(&json!("on")).unwrap();
        tasker.send(task, &go).await.unwrap();
        assert_eq!(to_its_end(&world, &tasker, task).await, TaskState::Complete, "{}", world.database);
        let events = events_of(&tasker, task).await;
        let told: Vec<_> =
            events.iter().map(|e| (e.name.as_str(), e.step.as_str(), e.batch, e.data.as_str())).collect();
        assert_eq!(told[0].0, "cut.planned");
        let expected = [
            ("cut.worked", "work_001", Some(1), "\"work_001\""),
            ("cut.worked", "work_002", Some(2), "\"work_002\""),
            ("cut.rested", "rest", None, "null"),
            ("cut.told", "go", None, "\"on\""),
        ];
        let mut rest = told[1..].to_vec();
        rest[..2].sort_unstable();
        assert_eq!(rest.len(), 4, "{}: {rest:?}", world.database);
        for (found, expected) in rest.iter().zip(expected).filter(|(_, expected)| expected.0 != "cut.rested")
        {
            assert_eq!(*found, expected, "{}", world.database);
        }
        assert_eq!(rest[2].0, "cut.rested", "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn events_of_a_lent_step_go_with_its_outcome_and_are_counted_on() {
    let lent = template(
        "lent",
        [
            telling(Step::new("mine").handler("mine")),
            telling(retried(Step::new("yours").handler("yours").after(["mine"]), twice())),
            telling(Step::new("end").handler("mine").after(["yours"])),
        ],
    );
    for world in worlds().await {
        world.stage.on("yours", |step| async move {
            match step.attempt() {
                1 => Err(StepError::retryable("DOWN", "no answer")),
                _ => Ok(json!("yours")),
            }
        });
        let holder = process(&world, "test", [plain("mine")], &lent).await;
        let task = submitted(&holder, &lent).await;
        let taker =
            process(&world, "other", [plays("yours", HandlerSpec::new().queue("other"))], &lent).await;
        assert_eq!(to_its_end(&world, &holder, task).await, TaskState::Complete, "{}", world.database);
        let expected = [
            "mine.on_success 1",
            "mine.on_always 1",
            "yours.on_failure 1",
            "yours.on_retryable_failure 1",
            "yours.on_always 1",
            "yours.on_success 2",
            "yours.on_always 2",
            "end.on_success 1",
            "end.on_always 1",
        ];
        assert_eq!(names(&events_of(&holder, task).await), expected, "{}", world.database);
        taker.stop().await.unwrap();
        holder.stop().await.unwrap();
    }
}

#[tokio::test]
async fn outcome_that_is_refused_publishes_nothing() {
    let order = template("order", [telling(step("charge", &[]))]);
    for world in worlds().await {
        let gate = world.stage.gate("charge");
        let first = world.start(&order).await;
        let task = submitted(&first, &order).await;
        world.stage.wait_for("charge", 1).await;
        // Another process has found its lease run out, and a third holds the task.
        world.change("update tasker.runs set owner = 99, lease = lease + 1").await;
        gate.add_permits(1);
        let late = || async { (first.stats().late == 1).then_some(()) };
        eventually("the late outcome", late).await;
        assert_eq!(world.count("select count(*) from tasker.events").await, 0, "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.steps").await, 0, "{}", world.database);
        assert!(events_of(&first, task).await.is_empty());
    }
}

#[tokio::test]
async fn cancelled_attempt_publishes_nothing_and_what_is_out_stays_out() {
    let order = template("order", [telling(step("charge", &[])), telling(step("ship", &["charge"]))]);
    for world in worlds().await {
        let _gate = world.stage.gate("ship");
        let tasker = world.start(&order).await;
        let task = submitted(&tasker, &order).await;
        world.stage.wait_for("ship", 1).await;
        tasker.operate(task, &Command::Cancel).await.unwrap();
        in_state(&tasker, task, TaskState::Cancelled).await;
        let expected = ["charge.on_success 1", "charge.on_always 1"];
        assert_eq!(names(&events_of(&tasker, task).await), expected, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn payload_that_breaks_its_schema_is_kept_as_a_dead_letter_and_its_step_stays_complete() {
    for world in worlds().await {
        let mut charge = step("charge", &[]);
        let schema = Some(json!({"type": "object", "required": ["transaction_id"]}));
        charge.publishes_events.push(PublishedEvent { schema, ..PublishedEvent::new("order.charged") });
        charge.publishes_events.push(PublishedEvent::new("order.seen"));
        let order = template("order", [charge]);
        world.stage.on("charge", |_| async { Ok(json!({"amount": 7})) });
        let tasker = world.start(&order).await;
        let task = submitted(&tasker, &order).await;
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
        assert_eq!(names(&events_of(&tasker, task).await), ["order.seen 1"], "{}", world.database);
        let letters = tasker.events().letters(10).await.unwrap();
        let letter = &letters[0];
        let said = (letter.name.as_str(), letter.reason.as_str(), letter.step.as_str(), letter.data.as_str());
        assert_eq!(said, ("order.charged", "schema_mismatch", "charge", "{\"amount\":7}"));
        assert!(letter.detail.contains("transaction_id"), "{}", letter.detail);
        assert_eq!((letters.len(), letter.task), (1, task), "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn result_that_cannot_be_kept_publishes_its_failure() {
    let order = template("order", [telling(step("charge", &[]))]);
    for world in worlds().await {
        let large = "x".repeat(2 << 20);
        world.stage.on("charge", move |_| {
            let large = json!(large);
            async move { Ok(large) }
        });
        let tasker = world.start(&order).await;
        let task = submitted(&tasker, &order).await;
        assert_eq!(
            to_its_end(&world, &tasker, task).await,
            TaskState::BlockedByFailures,
            "{}",
            world.database
        );
        let events = events_of(&tasker, task).await;
        let expected = ["charge.on_failure 1", "charge.on_permanent_failure 1", "charge.on_always 1"];
        assert_eq!(names(&events), expected, "{}", world.database);
        assert_eq!(events[0].data.to_value()["code"], "RESULT_TOO_LARGE");
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn pages_follow_one_another_and_know_patterns() {
    let order = template("order", [telling(step("charge", &[])), telling(step("ship", &["charge"]))]);
    for world in worlds().await {
        let tasker = world.start(&order).await;
        for _ in 0..20 {
            let task = submitted(&tasker, &order).await;
            settled(&tasker, task).await;
        }
        let (mut filter, mut seen) =
            (EventFilter::new().named("ship.*".parse().unwrap()).limit(7), Vec::new());
        loop {
            let page = tasker.events().page(&filter).await.unwrap();
            if page.events.is_empty() {
                break;
            }
            assert!(page.events.len() <= 7);
            seen.extend(page.events);
            filter = filter.after(page.next);
        }
        assert_eq!(seen.len(), 40, "{}", world.database);
        assert!(seen.windows(2).all(|pair| pair[0].position < pair[1].position));
        assert!(seen.iter().all(|event| event.name.starts_with("ship.on_")));
        let none = tasker.events().page(&EventFilter::new().namespace("elsewhere")).await.unwrap();
        assert_eq!((none.events.len(), none.next), (0, tasker.events().position().await.unwrap()));
        // One that waits sees what comes meanwhile.
        let waiting = EventFilter::new().after(none.next).wait(Duration::from_secs(30));
        let log = tasker.events();
        let (page, _) = tokio::join!(log.page(&waiting), submitted(&tasker, &order));
        assert_eq!(page.unwrap().events[0].name, "charge.on_success", "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn pruned_task_takes_its_events_with_it() {
    let order = template("order", [telling(step("charge", &[]))]);
    for world in worlds().await {
        let tasker = world.start(&order).await;
        let (old, young) = (submitted(&tasker, &order).await, submitted(&tasker, &order).await);
        settled(&tasker, old).await;
        settled(&tasker, young).await;
        let before = tasker.events().position().await.unwrap();
        world
            .change("update tasker.runs set finished_at = 1 where task_id = (select min(task_id) from tasker.runs)")
            .await;
        world
            .change(
                "update tasker.tasks set created_at = 1 where id = (select min(task_id) from tasker.runs)",
            )
            .await;
        tasker.prune(tasker_runtime::api::Prune::older_than(Duration::from_secs(86_400))).await.unwrap();
        assert!(events_of(&tasker, old).await.is_empty(), "{}", world.database);
        let left = events_of(&tasker, young).await.len() as u64;
        assert_eq!(world.count("select count(*) from tasker.events").await, left, "{}", world.database);
        let task = submitted(&tasker, &order).await;
        settled(&tasker, task).await;
        assert!(events_of(&tasker, task).await[0].position > before, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[step_handler]
#[publishes("bill.paid")]
#[publishes("bill.line", delivery = "broadcast")]
#[publishes("bill.refused", on = "permanent_failure")]
async fn pay_bill(lines: Vec<u64>, events: Events) -> Result<u64, StepError> {
    for line in &lines {
        events.emit("bill.line", line);
    }
    match lines.iter().sum() {
        0 => {
            events.payload("bill.refused", "nothing to pay");
            Err(StepError::permanent("NOTHING", "nothing to pay"))
        }
        7 => {
            events.emit("bill.lost", "by mistake");
            Ok(7)
        }
        sum => Ok(sum),
    }
}

#[step_handler]
#[compensates(pay_bill)]
#[publishes("bill.refunded")]
async fn refund_bill(#[depends_on(pay_bill)] paid: u64) -> u64 {
    paid
}

#[step_handler]
async fn fail_after_bill(#[depends_on(pay_bill)] _paid: u64) -> Result<(), StepError> {
    Err(StepError::permanent("BROKEN", "it broke"))
}

fn bill(event: PublishedEvent) -> Template {
    let mut pay = Step::new("pay_bill");
    pay.publishes_events.push(event);
    let last = Step::new("fail_after_bill").after(["pay_bill"]);
    let builder = Template::builder("bill").namespace("test").on_failure(OnFailure::Compensate);
    builder.step(pay).step(last).build().unwrap()
}

fn bill_handlers() -> Registry {
    Registry::of(handlers![pay_bill, refund_bill, fail_after_bill])
}

#[tokio::test]
async fn handler_says_which_events_it_publishes_and_what_they_say() {
    let bill = bill(PublishedEvent { condition: EventCondition::Always, ..PublishedEvent::new("bill.seen") });
    for world in worlds().await {
        let tasker =
            world.builder(&[]).registry(bill_handlers()).template(bill.clone()).start().await.unwrap();
        for (lines, expected) in [
            (
                json!([1, 2]),
                &["bill.seen 3", "bill.paid 3", "bill.line 1", "bill.line 2", "bill.refunded 3"][..],
            ),
            (json!([]), &["bill.seen NOTHING", "bill.refused \"nothing to pay\""]),
            (json!([7]), &["bill.seen UNDECLARED_EVENT", "bill.refused UNDECLARED_EVENT"]),
        ] {
            let task = tasker.submit(Submission::to("test/bill").context(&lines).unwrap()).await.unwrap();
            let over = || async {
                world.clock.advance(Duration::from_millis(50));
                tasker.show(task).await.unwrap().filter(|report| report.state.is_final())
            };
            eventually("the task to be over", over).await;
            let events = events_of(&tasker, task).await;
            let said = |event: &EventReport| match event.data.to_value().get("code") {
                Some(code) => format!("{} {}", event.name, code.as_str().unwrap()),
                None => format!("{} {}", event.name, event.data.as_str()),
            };
            assert_eq!(events.iter().map(said).collect::<Vec<_>>(), expected, "{}", world.database);
            if let Some(refunded) = events.iter().find(|event| event.name == "bill.refunded") {
                assert_eq!(refunded.step, "undo pay_bill", "{}", world.database);
            }
        }
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn template_and_handler_that_say_different_things_of_an_event_do_not_start() {
    let bill = bill(PublishedEvent { delivery_mode: DeliveryMode::Fast, ..PublishedEvent::new("bill.paid") });
    let world = World::on(support::fresh_sqlite());
    let started = world.builder(&[]).registry(bill_handlers()).template(bill).start().await;
    let said = started.err().unwrap().to_string();
    let expected = "publishes `bill.paid` on success as durable, and the template says fast";
    assert!(said.contains(expected), "{said}");
}

/// The step, which publishes an event on its success in each way.
fn telling_each_way(mut step: Step) -> Step {
    for delivery_mode in [DeliveryMode::Durable, DeliveryMode::Fast, DeliveryMode::Broadcast] {
        let event = PublishedEvent::new(format!("{}.{delivery_mode}", step.name));
        step.publishes_events.push(PublishedEvent { delivery_mode, ..event });
    }
    step
}

#[tokio::test]
async fn each_way_of_delivery_reaches_the_log_or_those_who_listen_where_the_step_ran() {
    let lent = template(
        "lent",
        [
            telling_each_way(Step::new("mine").handler("mine")),
            telling_each_way(Step::new("yours").handler("yours").after(["mine"])),
        ],
    );
    for world in worlds().await {
        let holder = process(&world, "test", [plain("mine")], &lent).await;
        let taker =
            process(&world, "other", [plays("yours", HandlerSpec::new().queue("other"))], &lent).await;
        let mut by_holder = holder.events().listen("*".parse().unwrap());
        let mut by_taker = taker.events().listen("yours.*".parse().unwrap());
        let task = submitted(&holder, &lent).await;
        assert_eq!(to_its_end(&world, &holder, task).await, TaskState::Complete, "{}", world.database);
        let logged = events_of(&holder, task).await;
        let expected = ["mine.durable 1", "mine.broadcast 1", "yours.durable 1", "yours.broadcast 1"];
        assert_eq!(names(&logged), expected, "{}", world.database);
        for (heard, expected) in [
            (&mut by_holder, ["mine.fast", "mine.broadcast"]),
            (&mut by_taker, ["yours.fast", "yours.broadcast"]),
        ] {
            let (fast, broadcast) = (heard.next().await.unwrap(), heard.next().await.unwrap());
            assert_eq!([&*fast.name, &*broadcast.name], expected, "{}", world.database);
            let same = logged.iter().find(|event| event.name == *broadcast.name).unwrap();
            assert_eq!((broadcast.id, &broadcast.data), (same.id, &same.data), "{}", world.database);
        }
        taker.stop().await.unwrap();
        holder.stop().await.unwrap();
        assert!(by_holder.next().await.is_none() && by_taker.next().await.is_none());
    }
}

#[tokio::test]
async fn example_publishes_exactly_what_its_template_says() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tasks/domain_events");
    for world in worlds().await {
        let builder = world.builder(&[]).registry(Registry::discover()).template_directory(&root);
        let tasker = builder.start().await.unwrap();
        let mut heard = tasker.events().listen("*".parse().unwrap());
        for (failure, logged, fast) in [
            (
                false,
                &["payment.processed 1"][..],
                &["order.validated", "inventory.updated", "notification.sent"][..],
            ),
            (true, &["payment.failed 1", "payment.failed 2"], &["order.validated"]),
        ] {
            let order =
                json!({"order_id": "o-1", "customer_id": "ada", "amount": 9.99, "simulate_failure": failure});
            let to = Submission::to("domain_events/domain_event_publishing");
            let task = tasker.submit(to.context(&order).unwrap()).await.unwrap();
            to_its_end(&world, &tasker, task).await;
            assert_eq!(names(&events_of(&tasker, task).await), logged, "{}", world.database);
            for name in fast {
                assert_eq!(&*heard.next().await.unwrap().name, *name, "{}", world.database);
            }
        }
        assert!(tasker.events().letters(10).await.unwrap().is_empty(), "{}", world.database);
        tasker.stop().await.unwrap();
    }
}
