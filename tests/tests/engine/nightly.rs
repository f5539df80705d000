//! The example of a workflow that starts by itself each night, over both changes of the clock.

use handlers::nightly_report::nightly_report;
use serde_json::{Value, json};
use support::world::{World, eventually, settled, worlds};
use tasker_runtime::{Tasker, model::Timestamp, registry::Registry};

const NAME: &str = "shop/nightly_report";

fn at(text: &str) -> Timestamp {
    serde_json::from_value(json!(text)).unwrap()
}

async fn resumed(world: &World) -> Tasker {
    let builder = world.builder(&[]).registry(Registry::discover());
    let tasker = builder.template(nightly_report.template().unwrap()).start().await.unwrap();
    tasker.schedules().resume(NAME).await.unwrap();
    tasker
}

/// What was reported for the next nights: the time by the clock in Berlin, and the report.
async fn nights(world: &World, tasker: &Tasker, count: u64) -> Vec<(String, Value)> {
    let mut nights = Vec::new();
    for night in 1..=count {
        let schedule = tasker.schedules().get(NAME).await.unwrap().unwrap();
        world.clock.advance(at(&schedule.next[0]).since(world.clock.now()));
        let look = || async {
            let report = tasker.schedules().get(NAME).await.unwrap().unwrap();
            (report.started == night).then_some(report)
        };
        let report = eventually("a night", look).await;
        let task = settled(tasker, report.last_task.unwrap()).await;
        assert_eq!(task.created_at, at(task.context["at"].as_str().unwrap()));
        nights.push((task.context["at"].as_str().unwrap().to_owned(), task.result));
    }
    nights
}

#[tokio::test]
async fn night_that_loses_an_hour_and_night_that_has_one_twice_are_one_each() {
    for (eve, expected) in [
        (
            "2026-03-27T23:00:00Z",
            ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
        ),
        (
            "2026-10-23T22:00:00Z",
            ["2026-10-24T02:30:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
        ),
    ] {
        for world in worlds().await {
            world.clock.set(at(eve));
            let tasker = resumed(&world).await;
            let nights = nights(&world, &tasker, 3).await;
            let times: Vec<&str> = nights.iter().map(|(time, _)| &**time).collect();
            assert_eq!(times, expected, "{}", world.database);
            let day = &expected[1][..10];
            let sold: u32 = day.bytes().map(u32::from).sum();
            assert_eq!(nights[1].1, json!(format!("{sold} were sold before {day}")), "{}", world.database);
            tasker.stop().await.unwrap();
        }
    }
}
