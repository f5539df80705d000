//! A task is shown with what was asked for.

use std::time::Duration;

use serde_json::{Value, json};
use support::{
    stage::{step, template},
    world::{eventually, worlds},
};
use tasker_runtime::{
    StepError,
    template::{ChildConfig, ChildInput, Source, Step},
};

use crate::{Served, broken};

#[tokio::test]
async fn report_has_what_was_asked_for() {
    for world in worlds().await {
        let served =
            Served::start(&world, &template("two", [step("first", &[]), step("second", &["first"])])).await;
        let id = served.rested("two", r#"{"secret": 42}"#).await;
        let path = format!("/v1/tasks/{id}");
        let full = served.read(&path).await;
        assert_eq!((&full["context"], &full["result"]), (&json!({"secret": 42}), &json!("second")), "{full}");
        assert_eq!(full["steps"][0]["result"], "first", "{}", world.database);
        let bare = served.read(&format!("{path}?include=&steps=states")).await;
        assert!(bare.get("context").is_none() && bare.get("result").is_none(), "{bare}");
        assert_eq!(
            bare["steps"],
            json!([
                {"name": "first", "state": "complete", "attempts": 1, "max_attempts": full["steps"][0]["max_attempts"]},
                {"name": "second", "state": "complete", "attempts": 1, "max_attempts": full["steps"][1]["max_attempts"]},
            ])
        );
        let some = served.read(&format!("{path}?include=context&steps=none")).await;
        assert!(some["context"].is_object() && some.get("steps").is_none() && some.get("result").is_none());
        for wrong in ["include=everything", "steps=some"] {
            assert_eq!(served.get(&format!("{path}?{wrong}")).await.problem().1, "bad_query", "{wrong}");
        }
    }
}

#[tokio::test]
async fn answer_that_is_known_is_not_sent_again() {
    for world in worlds().await {
        let gate = world.stage.gate("only");
        let served = Served::start(&world, &template("plain", [step("only", &[])])).await;
        let answer = served.post("/v1/tasks", r#"{"template": "plain"}"#).await;
        let path = answer.header("location").unwrap().to_owned();
        world.stage.wait_for("only", 1).await;
        let tag = served.get(&path).await.header("etag").unwrap().to_owned();
        let same = served.send(&format!("GET {path}"), &[("if-none-match", &tag)], "").await;
        assert_eq!((same.status, &*same.body), (304, ""), "{}: {same:?}", world.database);
        gate.add_permits(1);
        let rested = [("prefer", "wait=30"), ("if-none-match", &*tag)];
        let changed = served.send(&format!("GET {path}"), &rested, "").await;
        assert_eq!(
            (changed.status, &changed.json()["state"]),
            (200, &json!("complete")),
            "{}",
            world.database
        );
        assert_ne!(changed.header("etag"), Some(&*tag), "{}", world.database);
    }
}

#[tokio::test]
async fn steps_come_in_pages_and_one_by_one() {
    for world in worlds().await {
        let names = ["a", "b", "c", "d", "e"];
        let served = Served::start(&world, &template("many", names.map(|name| step(name, &[])))).await;
        let id = served.rested("many", "{}").await;
        let (mut found, mut path) = (Vec::new(), format!("/v1/tasks/{id}/steps?limit=2"));
        loop {
            let page = served.read(&path).await;
            found.extend(page["items"].as_array().unwrap().iter().map(|step| step["name"].clone()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/v1/tasks/{id}/steps?limit=2&cursor={cursor}");
        }
        assert_eq!(found, names.map(Value::from), "{}", world.database);
        let one = served.read(&format!("/v1/tasks/{id}/steps/c")).await;
        assert_eq!((&one["state"], &one["result"]), (&json!("complete"), &json!("c")), "{one}");
        let none = served.get(&format!("/v1/tasks/{id}/steps/cc")).await;
        assert_eq!(none.problem(), (404, "no_such_step".to_owned()));
    }
}

#[tokio::test]
async fn why_names_the_cause_and_the_call_that_helps() {
    for world in worlds().await {
        world.stage.on("bad", |_| async { Err(StepError::permanent("DECLINED", "the bank said no")) });
        let served = Served::start(&world, &broken()).await;
        let id = served.rested("broken", "{}").await;
        let why = served.read(&format!("/v1/tasks/{id}/why")).await;
        assert_eq!(why["state"], "blocked_by_failures", "{}", world.database);
        assert!(why["help"].as_str().unwrap().contains(&format!("/v1/tasks/{id}/retry")), "{why}");
        let steps = why["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 1, "{why}");
        assert_eq!(
            (&steps[0]["name"], &steps[0]["error"]["code"], &steps[0]["error"]["message"]),
            (&json!("bad"), &json!("DECLINED"), &json!("the bank said no"))
        );
        // The help is a call that helps.
        world.stage.on("bad", |_| async { Ok(json!("good")) });
        let retried = served.post(&format!("/v1/tasks/{id}/retry"), "").await;
        assert_eq!(retried.status, 200, "{retried:?}");
        let look = || async {
            let why = served.read(&format!("/v1/tasks/{id}/why")).await;
            (why["state"] == "complete" && why["steps"] == json!([])).then_some(())
        };
        eventually("nothing to be open", look).await;
    }
}

#[tokio::test]
async fn task_names_the_task_that_started_it_and_those_it_started() {
    for world in worlds().await {
        world.stage.on("split", |_| async { Ok(json!([1, 2])) });
        let each = ChildInput::Each(Source::parse("split", ["split"]).unwrap());
        let orders = Step::workflow("orders", ChildConfig::of("shop", each)).after(["split"]);
        let builder = world.builder(&[]).template(template("shop", [step("buy", &[])]));
        let builder = builder.template(template("order", [step("split", &[]), orders]));
        let served = Served::with(builder.start().await.unwrap(), Duration::ZERO).await;
        let id = served.rested("order", "{}").await;
        let parent = served.read(&format!("/v1/tasks/{id}")).await;
        let children = parent["children"].as_array().unwrap();
        assert_eq!(children.len(), 2, "{}: {parent}", world.database);
        for (item, child) in children.iter().enumerate() {
            let started = served.read(&format!("/v1/tasks/{}", child["task_id"].as_str().unwrap())).await;
            assert_eq!(started["parent"], json!({"task_id": id, "namespace": "test", "step": "orders"}));
            assert!(started.get("children").is_none(), "{started}");
            let said =
                (&child["step"], &child["item"], &child["attempt"], &child["namespace"], &child["state"]);
            let wanted = (&json!("orders"), &json!(item), &json!(1), &json!("test"), &json!("complete"));
            assert_eq!(said, wanted, "{}: {child}", world.database);
        }
        assert!(parent.get("parent").is_none(), "{parent}");
    }
}
