//! When tasks start by themselves.

use std::time::Duration;

use serde_json::{Value, json};
use support::{
    stage::{step, template},
    world::{START, World, eventually, settled, worlds},
};
use tasker_runtime::{
    Tasker,
    api::{Backfill, ScheduleError, ScheduleReport, StartError, Submission, SubmitError, TaskFilter},
    model::{TaskState, Timestamp},
    template::{CatchUp, Overlap, Schedule, Step, Template},
};

use crate::waits::HOUR;

const MINUTE: Duration = Duration::from_secs(60);

/// A template of one step with this schedule.
fn scheduled(name: &str, version: &str, schedule: Option<Schedule>) -> Template {
    let builder = Template::builder(name).namespace("test").version(version.parse().unwrap());
    let builder = builder.step(Step::new("sweep").handler("play"));
    schedule.into_iter().fold(builder, |builder, schedule| builder.schedule(schedule)).build().unwrap()
}

/// A template that is started each minute, at its full minutes.
fn each_minute(overlap: Overlap, catch_up: CatchUp) -> Template {
    let mut schedule = Schedule::every(MINUTE).name("minutely").input(json!({"at": "{{scheduled_at}}"}));
    (schedule.overlap, schedule.catch_up) = (overlap, catch_up);
    scheduled("minutes", "1.0.0", Some(schedule))
}

/// The schedule once it is as `is` says.
async fn once(tasker: &Tasker, name: &str, is: impl Fn(&ScheduleReport) -> bool) -> ScheduleReport {
    let look = || async { tasker.schedules().get(name).await.unwrap().filter(|report| is(report)) };
    eventually(&format!("the schedule `{name}`"), look).await
}

/// The contexts of the tasks of this world, oldest first.
async fn contexts(world: &World) -> Vec<Value> {
    let rows = world.column("select cast(context as text) from tasker.tasks order by id").await;
    rows.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// The first full minute after the clocks of tests start is 22:14.
fn minute(minute: u32) -> Value {
    json!({"at": format!("2023-11-14T22:{minute}:00Z")})
}

#[tokio::test]
async fn each_tick_is_one_task_however_many_processes_look() {
    for world in worlds().await {
        let template = each_minute(Overlap::Allow, CatchUp::Last);
        let mut processes = Vec::new();
        for _ in 0..3 {
            processes.push(world.start(&template).await);
        }
        let tasker = &processes[0];
        let next = once(tasker, "minutely", |_| true).await.next;
        assert_eq!(next[..2], ["2023-11-14T22:14:00Z", "2023-11-14T22:15:00Z"], "{}", world.database);
        world.clock.advance(Duration::from_secs(40) - Duration::from_micros(1));
        assert_eq!(contexts(&world).await, [] as [Value; 0], "{}", world.database);
        world.clock.advance(Duration::from_micros(1));
        for started in 1..=5 {
            let report = once(tasker, "minutely", |report| report.started >= started).await;
            assert_eq!(report.started, started, "{}", world.database);
            settled(tasker, report.last_task.unwrap()).await;
            world.clock.advance(MINUTE);
        }
        once(tasker, "minutely", |report| report.started == 6).await;
        assert_eq!(contexts(&world).await, (14..20).map(minute).collect::<Vec<_>>(), "{}", world.database);
        for process in processes {
            process.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn ticks_that_nobody_saw_are_made_up_for_as_the_schedule_says() {
    let at = |hour: &str| json!({"at": hour});
    let [eleven, midnight, one, two] =
        ["2023-11-14T23:00:00Z", "2023-11-15T00:00:00Z", "2023-11-15T01:00:00Z", "2023-11-15T02:00:00Z"]
            .map(at);
    for (catch_up, made_up) in [
        (CatchUp::Last, vec![one.clone(), two.clone()]),
        (CatchUp::None, vec![two.clone()]),
        (CatchUp::All, vec![eleven, midnight, one, two]),
    ] {
        for world in worlds().await {
            let mut schedule = Schedule::cron("@hourly").name("hourly").input(at("{{scheduled_at}}"));
            (schedule.overlap, schedule.catch_up) = (Overlap::Allow, catch_up);
            let template = scheduled("hours", "1.0.0", Some(schedule));
            // It keeps the schedule and runs nothing.
            let office = world.connect(&template).await;
            world.clock.advance(HOUR * 3);
            let worker = world.start(&template).await;
            once(&worker, "hourly", |report| report.next[0] == "2023-11-15T02:00:00Z").await;
            world.clock.advance(Duration::from_secs(46 * 60 + 40));
            once(&worker, "hourly", |report| report.next[0] == "2023-11-15T03:00:00Z").await;
            assert_eq!(contexts(&world).await, made_up, "{catch_up:?} {}", world.database);
            worker.stop().await.unwrap();
            office.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn tick_meets_a_running_task_as_the_schedule_says() {
    for overlap in [Overlap::Skip, Overlap::Queue, Overlap::CancelRunning, Overlap::Allow] {
        for world in worlds().await {
            let gate = world.stage.gate("sweep");
            let tasker = world.start(&each_minute(overlap, CatchUp::Last)).await;
            world.clock.advance(Duration::from_secs(40));
            let first = once(&tasker, "minutely", |report| report.started == 1).await.last_task.unwrap();
            world.stage.wait_for("sweep", 1).await;
            world.clock.advance(MINUTE);
            let met = once(&tasker, "minutely", |report| {
                report.started + report.skipped + report.waiting as u64 == 2
            });
            let met = met.await;
            let about = (overlap, &world.database);
            match overlap {
                Overlap::Skip => assert_eq!((met.started, met.skipped), (1, 1), "{about:?}"),
                Overlap::Queue => {
                    assert_eq!((met.started, met.waiting), (1, 1), "{about:?}");
                    gate.add_permits(1);
                    settled(&tasker, first).await;
                    world.clock.advance(Duration::from_secs(1));
                    let next = once(&tasker, "minutely", |report| report.started == 2).await;
                    assert_eq!(
                        (next.waiting, next.last_at.unwrap().to_string()),
                        (0, "2023-11-14T22:15:00Z".to_owned())
                    );
                }
                Overlap::CancelRunning => {
                    assert_eq!(met.started, 2, "{about:?}");
                    // What runs is told, and dropped after a while.
                    let look = || async {
                        world.clock.advance(Duration::from_secs(1));
                        let state = tasker.show(first).await.unwrap().unwrap().state;
                        (state == TaskState::Cancelled).then_some(())
                    };
                    eventually("the first task to be cancelled", look).await;
                }
                Overlap::Allow => {
                    assert_eq!(met.started, 2, "{about:?}");
                    world.stage.wait_for("sweep", 2).await;
                }
            }
            gate.add_permits(10);
            tasker.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn paused_schedule_starts_nothing_and_goes_on_from_when_it_is_resumed() {
    for world in worlds().await {
        let tasker = world.start(&each_minute(Overlap::Allow, CatchUp::All)).await;
        let schedules = tasker.schedules();
        let paused = schedules.pause("minutely").await.unwrap();
        assert!(paused.paused && paused.next.is_empty(), "{paused:?}");
        world.clock.advance(MINUTE * 3);
        // Out of turn it starts all the same.
        let task = schedules.trigger("minutely").await.unwrap();
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
        assert_eq!(contexts(&world).await, [json!({"at": "2023-11-14T22:16:20Z"})], "{}", world.database);
        let resumed = schedules.resume("minutely").await.unwrap();
        assert_eq!(resumed.next[0], "2023-11-14T22:17:00Z", "{}", world.database);
        world.clock.advance(Duration::from_secs(40));
        once(&tasker, "minutely", |report| report.started == 2).await;
        assert_eq!(contexts(&world).await[1..], [minute(17)], "{}", world.database);
        let unknown = schedules.pause("hourly").await;
        assert!(matches!(unknown, Err(ScheduleError::Unknown { name }) if name == "hourly"));
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn schedule_that_is_made_ticks_from_then_on_and_is_checked() {
    for world in worlds().await {
        let plain = template("plain", [step("sweep", &[])]);
        let tasker = world.start(&plain).await;
        // Made by a program that runs nothing.
        let office = world.connect(&plain).await;
        let schedules = office.schedules();
        let made =
            schedules.create("plain", Schedule::cron("0 23 * * *").timezone("Europe/Berlin")).await.unwrap();
        assert_eq!((&*made.name, &*made.template), ("test/plain", "test/plain"));
        assert_eq!(made.next[0], "2023-11-15T23:00:00+01:00", "{}", world.database);
        let again = schedules.create("plain", Schedule::every(HOUR)).await;
        assert!(matches!(again, Err(ScheduleError::Exists { name }) if name == "test/plain"));
        let replaced = schedules.replace("plain", Schedule::every(HOUR)).await.unwrap();
        assert_eq!(replaced.next[0], "2023-11-14T23:00:00Z", "{}", world.database);
        for (wrong, message) in [
            (Schedule::cron("0 0 31 2 *"), "`cron` never comes: no such day in the next 40 years"),
            (Schedule::every(HOUR).input(json!("{{when}}")), "`{{when}}` stands for nothing"),
        ] {
            let refused = schedules.create("plain", wrong.name("wrong")).await;
            let Err(ScheduleError::Invalid(report)) = refused else { panic!("{refused:?}") };
            assert_eq!(report.mistakes[0].message, message);
        }
        let nobodys = schedules.create("plan", Schedule::every(HOUR)).await;
        assert!(
            matches!(nobodys, Err(ScheduleError::UnknownTemplate(unknown)) if unknown.nearest.as_deref() == Some("test/plain"))
        );
        // Whoever runs tasks hears of it, or looks.
        world.clock.advance(HOUR);
        let report = once(&tasker, "test/plain", |report| report.started == 1).await;
        settled(&tasker, report.last_task.unwrap()).await;
        schedules.delete("test/plain").await.unwrap();
        assert!(schedules.list(None, 10).await.unwrap().is_empty(), "{}", world.database);
        office.stop().await.unwrap();
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn input_that_the_template_does_not_take_is_refused_before_any_tick() {
    for world in worlds().await {
        let schema =
            json!({"type": "object", "required": ["day"], "properties": {"day": {"type": "string"}}});
        let strict = |schedule: Option<Schedule>| {
            let builder = Template::builder("strict").namespace("test").input_schema(schema.clone());
            let builder = builder.step(Step::new("sweep").handler("play"));
            schedule
                .into_iter()
                .fold(builder, |builder, schedule| builder.schedule(schedule))
                .build()
                .unwrap()
        };
        let tasker = world.start(&strict(None)).await;
        let refused = tasker.schedules().create("strict", Schedule::every(HOUR)).await;
        let Err(ScheduleError::Submit(SubmitError::Context { problems, .. })) = refused else {
            panic!("{refused:?}")
        };
        assert!(problems[0].contains("day"), "{problems:?}");
        let fits = Schedule::every(HOUR).input(json!({"day": "{{scheduled_at}}"}));
        tasker.schedules().create("strict", fits).await.unwrap();
        tasker.stop().await.unwrap();
        // One that a template says itself is found when the program starts.
        let wrong = strict(Some(Schedule::every(HOUR).name("wrong")));
        let refused = world.builder(&[]).template(wrong).start().await;
        let Err(StartError::Templates { reports }) = refused else { panic!("it started") };
        assert!(
            reports[0].starts_with("the input of schedule `wrong` does not fit test/strict"),
            "{reports:?}"
        );
    }
}

#[tokio::test]
async fn newest_program_says_when_its_workflow_starts() {
    let hours = |hours: u32| Some(Schedule::every(HOUR * hours).name("sweeps"));
    for world in worlds().await {
        let older = world.start(&scheduled("swept", "1.0.0", hours(1))).await;
        older.schedules().pause("sweeps").await.unwrap();
        let newer = world.start(&scheduled("swept", "1.1.0", hours(2))).await;
        let report = once(&newer, "sweeps", |report| report.of_version.as_deref() == Some("1.1.0")).await;
        assert!(report.paused, "what an operator paused stays so, {}", world.database);
        // One of the older ones starts anew, and does not turn it back.
        let restarted = world.start(&scheduled("swept", "1.0.0", hours(1))).await;
        assert_eq!(
            restarted.schedules().get("sweeps").await.unwrap().unwrap().of_version.as_deref(),
            Some("1.1.0")
        );
        let nobodys = newer.schedules().delete("sweeps").await;
        assert!(
            matches!(nobodys, Err(ScheduleError::OfTemplate { template, .. }) if template == "test/swept")
        );
        // The same version with another schedule is no other workflow, open tasks or not.
        newer.submit(Submission::to("test/swept").delay(HOUR)).await.unwrap();
        let changed = world.start(&scheduled("swept", "1.1.0", hours(3))).await;
        let report = changed.schedules().get("sweeps").await.unwrap().unwrap();
        assert_eq!(report.definition, hours(3), "{}", world.database);
        let open = changed.in_flight().await.unwrap();
        assert!(
            open[0].is_of(&scheduled("swept", "1.1.0", hours(7))),
            "what it stays with is the same: {open:?}"
        );
        let without = world.start(&scheduled("swept", "1.2.0", None)).await;
        assert!(without.schedules().get("sweeps").await.unwrap().is_none(), "{}", world.database);
        for tasker in [older, newer, restarted, changed, without] {
            tasker.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn clock_that_is_set_back_starts_no_tick_again() {
    for world in worlds().await {
        let tasker = world.start(&each_minute(Overlap::Allow, CatchUp::All)).await;
        world.clock.advance(MINUTE * 2);
        once(&tasker, "minutely", |report| report.started == 2).await;
        world.clock.set(START);
        // Another one ticks: so the time was looked at.
        let probe = Schedule::cron("* * * * * *").name("probe").input(json!("probe"));
        tasker.schedules().create("minutes", probe).await.unwrap();
        world.clock.advance(MINUTE);
        once(&tasker, "probe", |report| report.started > 0).await;
        assert_eq!(
            tasker.schedules().get("minutely").await.unwrap().unwrap().started,
            2,
            "{}",
            world.database
        );
        tasker.schedules().delete("probe").await.unwrap();
        world.clock.advance(MINUTE * 2);
        once(&tasker, "minutely", |report| report.started == 3).await;
        let mut minutes = contexts(&world).await;
        minutes.retain(|context| *context != "probe");
        assert_eq!(minutes, (14..17).map(minute).collect::<Vec<_>>(), "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn ticks_that_have_passed_are_filled_in_once() {
    for world in worlds().await {
        let tasker = world.start(&each_minute(Overlap::Allow, CatchUp::Last)).await;
        let schedules = tasker.schedules();
        world.clock.advance(Duration::from_secs(40));
        once(&tasker, "minutely", |report| report.started == 1).await;
        let at = |text: &str| serde_json::from_value::<Timestamp>(json!(text)).unwrap();
        let (from, to) = (at("2023-11-14T22:10:00Z"), at("2023-11-14T22:15:00Z"));
        let done = schedules.backfill("minutely", Backfill { from, to, parallel: 2 }).await.unwrap();
        assert_eq!((done.started, done.there_already), (4, 1), "{}", world.database);
        assert!(done.unsuccessful.is_empty());
        let again = schedules.backfill("minutely", Backfill { from, to, parallel: 2 }).await.unwrap();
        assert_eq!((again.started, again.there_already), (0, 5), "{}", world.database);
        let page = tasker.list(&TaskFilter::default()).await.unwrap();
        assert_eq!(page.tasks.len(), 5, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn task_starts_within_the_jitter_of_its_tick() {
    for world in worlds().await {
        let mut schedule = Schedule::every(HOUR).name("spread");
        schedule.jitter = Some(MINUTE * 10);
        let tasker = world.start(&scheduled("spread", "1.0.0", Some(schedule))).await;
        world.clock.advance(HOUR);
        let task = once(&tasker, "spread", |report| report.started == 1).await.last_task.unwrap();
        let report = tasker.show(task).await.unwrap().unwrap();
        let tick = serde_json::from_value::<Timestamp>(json!("2023-11-14T23:00:00Z")).unwrap();
        let (world_now, due) = (world.clock.now(), report.next_at);
        assert!(due.is_none_or(|due| due.since(tick) < MINUTE * 10), "{report:?}");
        world.clock.advance(MINUTE * 10);
        let report = settled(&tasker, task).await;
        assert!(report.started_at.unwrap() >= world_now.max(due.unwrap_or(tick)), "{report:?}");
        tasker.stop().await.unwrap();
    }
}
