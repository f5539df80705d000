//! Lists come in pages that go on with themselves.

use std::time::Duration;

use serde_json::{Value, json};
use support::{
    stage::{step, template},
    world::worlds,
};
use tasker_runtime::{StepError, api::Submission, template::Schedule};

use crate::{Served, broken};

fn ids(page: &Value) -> Vec<String> {
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["task_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn tasks_are_listed_newest_first_a_page_at_a_time() {
    for world in worlds().await {
        let served = Served::start(&world, &template("plain", [step("only", &[])])).await;
        let mut submitted = Vec::new();
        for n in 0..5 {
            submitted.push(
                served.tasker.submit(Submission::to("plain").context(&n).unwrap()).await.unwrap().to_string(),
            );
        }
        submitted.reverse();
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = served.read(&format!("/v1/tasks?limit=2&template=plain{cursor}")).await;
            found.extend(ids(&page));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
            let other = served.get(&format!("/v1/tasks?limit=2&template=other{cursor}")).await;
            assert_eq!(other.problem(), (400, "cursor_mismatch".to_owned()), "{}", world.database);
        }
        assert_eq!(found, submitted, "{}", world.database);
    }
}

#[tokio::test]
async fn filters_of_the_list_are_those_of_the_library() {
    for world in worlds().await {
        world.stage.on("bad", |_| async { Err(StepError::permanent("DECLINED", "no")) });
        let served = Served::start(&world, &broken()).await;
        let blocked = served.rested("broken", "{}").await;
        let correlation_id = uuid::Uuid::now_v7();
        let body =
            format!(r#"{{"template": "broken", "delay_ms": 60000, "correlation_id": "{correlation_id}"}}"#);
        let later = served.post("/v1/tasks", &body).await.json()["task_id"].as_str().unwrap().to_owned();
        let (blocked, later, none) = (vec![blocked], vec![later], Vec::new());
        let all = [later.clone(), blocked.clone()].concat();
        for (query, wanted) in [
            ("", &all),
            ("?state=blocked_by_failures", &blocked),
            ("?error_code=DECLINED", &blocked),
            ("?step=bad", &all),
            ("?namespace=test", &all),
            ("?namespace=nowhere", &none),
            ("?template=test/broken", &all),
            ("?created_before=2000-01-01T00:00:00Z", &none),
            ("?created_after=2000-01-01T00:00:00Z&open=true", &all),
            (&*format!("?correlation_id={correlation_id}"), &later),
        ] {
            let page = served.read(&format!("/v1/tasks{query}")).await;
            let found = ids(&page);
            // Whether a step of a delayed task has its turn, is not what is tested here.
            let fits = found == *wanted || query == "?step=bad" && found == blocked;
            assert!(fits, "{}: {query}: {page}", world.database);
        }
    }
}

#[tokio::test]
async fn templates_workers_and_schedules_are_shown() {
    for world in worlds().await {
        let served = Served::start(&world, &template("plain", [step("only", &[])])).await;
        let templates = served.read("/v1/templates").await;
        assert_eq!(
            (&templates["items"][0]["name"], &templates["items"][0]["steps"]),
            (&json!("plain"), &json!(1))
        );
        let answer = served.get("/v1/templates/test/plain").await;
        assert_eq!(answer.json()["steps"][0]["name"], "only", "{answer:?}");
        let tag = [("if-none-match", answer.header("etag").unwrap())];
        assert_eq!(served.send("GET /v1/templates/test/plain", &tag, "").await.status, 304);
        let workers = served.read("/v1/workers").await;
        assert_eq!(workers["items"].as_array().unwrap().len(), 1, "{}: {workers}", world.database);
        assert!(!workers["items"][0]["handlers"].as_array().unwrap().is_empty(), "{workers}");
        assert_eq!(served.read("/v1/dead-letters").await, json!({"items": []}), "{}", world.database);
        for name in ["a", "b/c"] {
            let schedule = Schedule::every(Duration::from_secs(3600)).name(name);
            served.tasker.schedules().create("plain", schedule).await.unwrap();
        }
        let page = served.read("/v1/schedules?limit=1").await;
        assert_eq!(
            (&page["items"][0]["name"], &page["items"][0]["paused"]),
            (&json!("a"), &json!(false)),
            "{page}"
        );
        let rest = format!("/v1/schedules?cursor={}", page["next_cursor"].as_str().unwrap());
        let rest = served.read(&rest).await;
        assert_eq!(rest["items"][0]["name"], "b/c", "{}: {rest}", world.database);
        assert!(rest.get("next_cursor").is_none(), "{rest}");
        let paused = served.post("/v1/schedules/b%2Fc/pause", "").await;
        assert_eq!((paused.status, &paused.json()["paused"]), (200, &json!(true)), "{paused:?}");
        let resumed = served.post("/v1/schedules/b%2Fc/resume", "").await;
        assert_eq!((resumed.status, &resumed.json()["paused"]), (200, &json!(false)), "{resumed:?}");
        let triggered = served.post("/v1/schedules/a/trigger", "").await;
        assert_eq!(triggered.status, 201, "{triggered:?}");
        let task = served.read(triggered.header("location").unwrap()).await;
        assert_eq!(task["template"], "plain", "{}", world.database);
        assert_eq!(served.send("DELETE /v1/schedules/a", &[], "").await.status, 204, "{}", world.database);
        assert_eq!(served.get("/v1/schedules/a").await.problem().0, 404, "{}", world.database);
    }
}
