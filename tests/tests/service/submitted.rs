//! Tasks are submitted once, and their results are waited for.

use serde_json::json;
use support::{
    stage::{step, template},
    world::worlds,
};

use crate::{Served, broken};

#[tokio::test]
async fn submitted_task_is_there_once_the_answer_is() {
    for world in worlds().await {
        let served = Served::start(&world, &template("plain", [step("only", &[])])).await;
        let answer =
            served.post("/v1/tasks", r#"{"template": "plain", "context": {"a": 1}, "priority": 7}"#).await;
        assert_eq!(answer.status, 201, "{}: {answer:?}", world.database);
        let document = answer.json();
        let id = document["task_id"].as_str().unwrap();
        assert_eq!(answer.header("location"), Some(&*format!("/v1/tasks/{id}")));
        assert_eq!((&document["namespace"], &document["replayed"]), (&json!("test"), &json!(false)));
        assert!(document["version"].is_string(), "{document}");
        let report = served.tasker.show(id.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!((report.priority, report.context), (7, json!({"a": 1})), "{}", world.database);
    }
}

#[tokio::test]
async fn idempotency_key_adds_one_task() {
    for world in worlds().await {
        let served = Served::start(&world, &template("plain", [step("only", &[])])).await;
        let key = [("idempotency-key", "order-17")];
        let body = r#"{"template": "test/plain", "context": {"a": 1, "b": 2}}"#;
        let first = served.send("POST /v1/tasks", &key, body).await;
        assert_eq!((first.status, first.header("idempotent-replayed")), (201, None), "{}", world.database);
        // The same context, written otherwise.
        let again = r#"{"template": "plain", "idempotency_key": "order-17", "context": {"b": 2, "a": 1}}"#;
        let again = served.post("/v1/tasks", again).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{again:?}");
        assert_eq!(again.json()["task_id"], first.json()["task_id"], "{}", world.database);
        let other = served.send("POST /v1/tasks", &key, r#"{"template": "plain", "context": 3}"#).await;
        assert_eq!(other.problem(), (422, "idempotency_key_reused".to_owned()), "{}", world.database);
        assert_eq!(other.json()["task_id"], first.json()["task_id"], "{}", world.database);
        let both = r#"{"template": "plain", "idempotency_key": "order-18"}"#;
        let both = served.send("POST /v1/tasks", &key, both).await;
        assert_eq!(both.problem(), (422, "fields_invalid".to_owned()));
        assert_eq!(world.count("select count(*) from tasker.tasks").await, 1, "{}", world.database);
    }
}

#[tokio::test]
async fn keys_that_come_at_once_add_one_task() {
    for world in worlds().await {
        let served = Served::start(&world, &template("plain", [step("only", &[])])).await;
        let body = r#"{"template": "plain", "idempotency_key": "once"}"#;
        let sent = (0..20).map(|_| {
            let address = served.address;
            tokio::spawn(async move { support::http::send(address, "POST /v1/tasks", &[], body).await })
        });
        let mut ids = Vec::new();
        for answer in sent.collect::<Vec<_>>() {
            let answer = answer.await.unwrap();
            assert!(matches!(answer.status, 200 | 201), "{}: {answer:?}", world.database);
            ids.push(answer.json()["task_id"].clone());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.tasks").await, 1, "{}", world.database);
    }
}

#[tokio::test]
async fn check_adds_nothing() {
    for world in worlds().await {
        let served = Served::start(&world, &template("plain", [step("only", &[])])).await;
        let fine = served.post("/v1/tasks?validate_only=true", r#"{"template": "plain"}"#).await;
        assert_eq!((fine.status, &fine.json()["template"]), (200, &json!("plain")), "{fine:?}");
        assert!(fine.json().get("task_id").is_none(), "{fine:?}");
        let wrong = served.post("/v1/tasks?validate_only=true", r#"{"template": "plian"}"#).await;
        assert_eq!(wrong.problem(), (404, "no_such_template".to_owned()));
        assert!(wrong.json()["detail"].as_str().unwrap().contains("test/plain"), "{wrong:?}");
        assert_eq!(world.count("select count(*) from tasker.tasks").await, 0, "{}", world.database);
    }
}

#[tokio::test]
async fn who_waits_gets_the_result_as_it_was_written() {
    for world in worlds().await {
        world.stage.on_text("only", |_| async {
            Ok(tasker_runtime::model::Json::from_text(r#"{"sum": 28211099074562821109907456.10}"#).unwrap())
        });
        let served = Served::start(&world, &template("plain", [step("only", &[])])).await;
        let body = r#"{"template": "plain", "context": {"n": 12345678901234567890123}}"#;
        let answer = served.send("POST /v1/tasks", &[("prefer", "wait=30")], body).await;
        assert_eq!(
            (answer.status, answer.header("preference-applied")),
            (200, Some("wait=30")),
            "{answer:?}"
        );
        assert!(answer.body.contains("28211099074562821109907456.10"), "{answer:?}");
        assert!(answer.body.contains("12345678901234567890123"), "{answer:?}");
        assert_eq!(answer.json()["state"], "complete", "{}", world.database);
    }
}

#[tokio::test]
async fn who_waits_in_vain_gets_the_task_as_it_stands() {
    for world in worlds().await {
        let gate = world.stage.gate("bad");
        let served = Served::start(&world, &broken()).await;
        let answer =
            served.send("POST /v1/tasks", &[("prefer", "wait=1")], r#"{"template": "broken"}"#).await;
        assert_eq!((answer.status, &answer.json()["state"]), (202, &json!("in_progress")), "{answer:?}");
        gate.add_permits(1);
        let path = answer.header("location").unwrap().to_owned();
        let rested = served.send(&format!("GET {path}"), &[("prefer", "wait=30")], "").await;
        assert_eq!((rested.status, &rested.json()["state"]), (200, &json!("complete")), "{}", world.database);
    }
}

#[tokio::test]
async fn many_are_added_all_or_none() {
    for world in worlds().await {
        let served = Served::start(&world, &template("plain", [step("only", &[])])).await;
        let all = r#"{"tasks": [{"template": "plain", "idempotency_key": "a"}, {"template": "plain"}]}"#;
        let all = served.post("/v1/tasks/batch", all).await;
        assert_eq!((all.status, all.json()["task_ids"].as_array().unwrap().len()), (201, 2), "{all:?}");
        let none = r#"{"tasks": [{"template": "plain"}, {"template": "plain", "prioritty": 1}, {}]}"#;
        let none = served.post("/v1/tasks/batch", none).await;
        assert_eq!(none.problem(), (422, "fields_invalid".to_owned()));
        let errors = none.json()["errors"].clone();
        let pointers: Vec<&str> =
            errors.as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(pointers, ["/tasks/1/prioritty", "/tasks/2/template"], "{errors}");
        for empty in [r#"{"tasks": []}"#, "{}", r#"{"tasks": 3}"#] {
            assert_eq!(served.post("/v1/tasks/batch", empty).await.problem().0, 422, "{empty}");
        }
        assert_eq!(world.count("select count(*) from tasker.tasks").await, 2, "{}", world.database);
    }
}
