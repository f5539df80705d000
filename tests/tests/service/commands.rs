//! Operators do by HTTP what they do by the command line, under their name.

use serde_json::{Value, json};
use support::{
    stage::{step, template},
    world::{eventually, worlds},
};
use tasker_runtime::{
    StepError,
    template::{SignalConfig, Step, Template},
};

use crate::{Served, broken};

async fn in_state(served: &Served, id: &str, state: &str) -> Value {
    let look = || async {
        let task = served.read(&format!("/v1/tasks/{id}")).await;
        (task["state"] == state).then_some(task)
    };
    eventually(&format!("the task to be {state}"), look).await
}

#[tokio::test]
async fn failed_step_is_retried_resolved_or_skipped() {
    for world in worlds().await {
        world.stage.on("bad", |_| async { Err(StepError::permanent("DECLINED", "no")) });
        let served = Served::start(&world, &broken()).await;
        for (command, body, result) in [
            ("resolve", r#"{"step": "bad", "result": {"n": 12345678901234567890.5}}"#, "resolved_manually"),
            ("skip", r#"{"step": "bad"}"#, "skipped"),
        ] {
            let id = served.rested("broken", "{}").await;
            let answer = served.post(&format!("/v1/tasks/{id}/{command}"), body).await;
            assert_eq!(answer.status, 200, "{}: {answer:?}", world.database);
            let task = in_state(&served, &id, "complete").await;
            assert_eq!(task["steps"][0]["state"], result, "{}: {task}", world.database);
        }
        let id = served.rested("broken", "{}").await;
        let retried = served.post(&format!("/v1/tasks/{id}/retry"), r#"{"steps": ["bad"]}"#).await;
        assert_eq!(retried.status, 200, "{retried:?}");
        eventually("another attempt", || async { (world.stage.times("bad").len() == 4).then_some(()) }).await;
        in_state(&served, &id, "blocked_by_failures").await;
        let ended = served.post(&format!("/v1/tasks/{id}/give_up"), "").await;
        assert_eq!((ended.status, &ended.json()["state"]), (200, &json!("error")), "{}", world.database);
    }
}

#[tokio::test]
async fn task_is_paused_resumed_and_cancelled() {
    for world in worlds().await {
        let gate = world.stage.gate("first");
        let _shut = world.stage.gate("second");
        let served =
            Served::start(&world, &template("two", [step("first", &[]), step("second", &["first"])])).await;
        let answer = served.post("/v1/tasks", r#"{"template": "two"}"#).await;
        let id = answer.json()["task_id"].as_str().unwrap().to_owned();
        world.stage.wait_for("first", 1).await;
        let paused = served.post(&format!("/v1/tasks/{id}/pause"), "").await;
        assert_eq!(paused.status, 202, "{}: what runs comes to its end first: {paused:?}", world.database);
        let resumed = served.post(&format!("/v1/tasks/{id}/resume"), "").await;
        assert_eq!(resumed.status, 200, "{}: {resumed:?}", world.database);
        gate.add_permits(1);
        world.stage.wait_for("second", 1).await;
        let cancel = format!("/v1/tasks/{id}/cancel");
        let cancelled = served.post(&cancel, r#"{"actor": "ada", "reason": "ordered twice"}"#).await;
        assert_eq!(
            (cancelled.status, &cancelled.json()["state"]),
            (200, &json!("cancelled")),
            "{cancelled:?}"
        );
        let again = served.post(&cancel, "").await;
        assert_eq!((again.status, &again.json()["state"]), (200, &json!("cancelled")), "{}", world.database);
        let over = served.post(&format!("/v1/tasks/{id}/pause"), "").await;
        assert_eq!(over.problem(), (409, "task_over".to_owned()), "{}", world.database);
        let (mut said, mut path) = (Vec::new(), format!("/v1/tasks/{id}/audit?limit=2"));
        loop {
            let page = served.read(&path).await;
            for line in page["items"].as_array().unwrap() {
                let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
                said.push([text("action"), text("actor"), text("reason")].join(" "));
            }
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/v1/tasks/{id}/audit?limit=2&cursor={cursor}");
        }
        assert_eq!(said, ["pause http ", "resume http ", "cancel ada ordered twice"], "{}", world.database);
    }
}

#[tokio::test]
async fn command_that_does_not_fit_is_refused_with_the_reason() {
    for world in worlds().await {
        world.stage.on("bad", |_| async { Err(StepError::permanent("DECLINED", "no")) });
        let served = Served::start(&world, &broken()).await;
        let blocked = served.rested("broken", "{}").await;
        let long = format!(r#"{{"reason": "{}"}}"#, "x".repeat(501));
        for (call, body, status, code) in [
            ("resume", "{}", 409, "not_paused"),
            ("skip", r#"{"step": "aside"}"#, 409, "wrong_step_state"),
            ("skip", r#"{"step": "badd"}"#, 404, "no_such_step"),
            ("skip", "{}", 422, "fields_invalid"),
            ("skip", r#"{"step": "bad", "dry_run": true}"#, 422, "fields_invalid"),
            ("retry", r#"{"step": "bad"}"#, 422, "fields_invalid"),
            ("cancel", &*long, 422, "fields_invalid"),
            ("cancel", r#"{"actor": ""}"#, 422, "fields_invalid"),
            ("cancel?force=true", "{}", 400, "bad_query"),
            ("signals/approval", "{}", 422, "no_such_signal"),
            ("fork", r#"{"step": "badd"}"#, 404, "no_such_step"),
        ] {
            let answer = served.post(&format!("/v1/tasks/{blocked}/{call}"), body).await;
            assert_eq!(answer.problem(), (status, code.to_owned()), "{}: {call} {body}", world.database);
        }
        let audit = served.read(&format!("/v1/tasks/{blocked}/audit")).await;
        assert_eq!(audit["items"], json!([]), "{}: what is refused changes nothing", world.database);
        assert_eq!(served.read(&format!("/v1/tasks/{blocked}")).await["state"], "blocked_by_failures");
    }
}

fn holiday() -> Template {
    let approval = Step::signal("approval", SignalConfig::default());
    template("holiday", [approval])
}

#[tokio::test]
async fn signal_settles_the_step_that_waits_for_it_once() {
    for world in worlds().await {
        let served = Served::start(&world, &holiday()).await;
        let id = served.post("/v1/tasks", r#"{"template": "holiday"}"#).await.json()["task_id"].clone();
        let id = id.as_str().unwrap();
        let path = format!("POST /v1/tasks/{id}/signals/approval");
        let (key, body) = ([("idempotency-key", "k")], r#"{"payload": {"by": "ada"}, "actor": "ada"}"#);
        let sent = served.send(&path, &key, body).await;
        assert_eq!((sent.status, &sent.json()["number"]), (200, &json!(1)), "{}: {sent:?}", world.database);
        let task = in_state(&served, id, "complete").await;
        assert_eq!(task["result"], json!({"by": "ada"}), "{}", world.database);
        let late = served.send(&path, &[], "{}").await;
        assert_eq!(late.problem(), (409, "task_over".to_owned()), "{}", world.database);
        let audit = served.read(&format!("/v1/tasks/{id}/audit")).await;
        assert_eq!(audit["items"][0]["actor"], "ada", "{audit}");
    }
}

#[tokio::test]
async fn task_is_submitted_anew_from_its_beginning_or_from_a_step() {
    for world in worlds().await {
        let served =
            Served::start(&world, &template("two", [step("first", &[]), step("second", &["first"])])).await;
        let id = served.rested("two", r#"{"n": 1}"#).await;
        let copied = served.post(&format!("/v1/tasks/{id}/copy"), "{}").await;
        assert_eq!(copied.status, 201, "{}: {copied:?}", world.database);
        let copy = in_state(&served, copied.json()["task_id"].as_str().unwrap(), "complete").await;
        assert_eq!((&copy["context"], &copy["origin"]["task_id"]), (&json!({"n": 1}), &json!(id)), "{copy}");
        assert_eq!(world.stage.times("first").len(), 2, "{}", world.database);
        let forked =
            served.post(&format!("/v1/tasks/{id}/fork"), r#"{"step": "second", "context": {"n": 2}}"#).await;
        let fork = in_state(&served, forked.json()["task_id"].as_str().unwrap(), "complete").await;
        assert_eq!(
            (&fork["context"], &fork["origin"]["step"]),
            (&json!({"n": 2}), &json!("second")),
            "{fork}"
        );
        assert_eq!((world.stage.times("first").len(), world.stage.times("second").len()), (2, 3));
    }
}
