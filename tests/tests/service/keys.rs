//! Once there is a key, nobody is served who shows none.

use std::time::Duration;

use serde_json::{Value, json};
use support::{
    http::Answer,
    stage::{step, template},
    world::{World, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::{NewKey, Role},
    template::{Schedule, Template},
};

use crate::{Served, broken};

fn plain() -> Template {
    template("plain", [step("only", &[])])
}

async fn key(tasker: &Tasker, new: NewKey) -> String {
    tasker.keys().create(new).await.unwrap().secret().to_owned()
}

fn admin(name: &str) -> NewKey {
    NewKey::that_never_expires(name).role(Role::Admin)
}

fn id(key: &str) -> &str {
    &key[4..12]
}

/// Status and code, whether it is a problem or not.
fn said(answer: &Answer) -> (u16, String) {
    if answer.status < 400 { (answer.status, String::new()) } else { answer.problem() }
}

fn denied(code: &str) -> (u16, String) {
    (401, code.to_owned())
}

fn fine() -> (u16, String) {
    (200, String::new())
}

#[tokio::test]
async fn first_key_is_made_by_anybody_on_this_machine_and_then_nobody_is_served_without() {
    for world in worlds().await {
        let served = Served::start(&world, &plain()).await;
        let whoami = served.read("/v1/whoami").await;
        assert!(whoami.get("name").is_none() && whoami.get("namespaces").is_none(), "{whoami}");
        let body = r#"{"name": "ops", "role": "admin", "expires_in_days": 90}"#;
        let made = served.post("/v1/keys", body).await;
        assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")), "{made:?}");
        let secret = made.json()["secret"].as_str().unwrap().to_owned();
        assert_eq!(made.json()["id"], id(&secret), "{}", world.database);

        let none = served.get("/v1/tasks").await;
        assert_eq!(none.problem(), denied("no_credentials"), "{}", world.database);
        assert_eq!(none.header("www-authenticate"), Some(r#"Bearer realm="tasker""#));
        assert_eq!(said(&served.by(&secret, "GET /v1/tasks", "").await), fine(), "{}", world.database);
        let header = [("x-api-key", &*secret)];
        assert_eq!(served.send("GET /v1/tasks", &header, "").await.status, 200, "{}", world.database);
        // By whatever name it is reached: who shows a key is no page of the internet.
        let proxied = [("x-api-key", &*secret), ("host", "tasker.example")];
        assert_eq!(served.send("GET /v1/tasks", &proxied, "").await.status, 200, "{}", world.database);
        for open in ["/health", "/health/live", "/livez", "/metrics", "/v1/openapi.json"] {
            assert_eq!(served.get(open).await.status, 200, "{}: {open}", world.database);
        }
        for unknown in ["GET /v1/nothing", "DELETE /v1/tasks", "GET /v1/whoami"] {
            assert_eq!(served.send(unknown, &[], "").await.problem(), denied("no_credentials"), "{unknown}");
        }
        let whoami = served.by(&secret, "GET /v1/whoami", "").await.json();
        assert_eq!((&whoami["name"], &whoami["key"]), (&json!("ops"), &json!(id(&secret))), "{whoami}");
        let listed = served.by(&secret, "GET /v1/keys", "").await;
        assert_eq!(listed.json()["items"][0]["expires_at"], made.json()["expires_at"], "{listed:?}");
        assert!(!listed.body.contains("secret") && !listed.body.contains(&secret[13..]), "{listed:?}");
        let settings = served.by(&secret, "GET /v1/config", "").await.json();
        let listen =
            settings["items"].as_array().unwrap().iter().find(|item| item["name"] == "server.listen");
        assert_eq!(listen.unwrap()["source"], "default", "{settings}");

        let kept = world.rows("select * from tasker.api_keys").await;
        let kept: Vec<String> = kept.into_iter().flatten().flatten().collect();
        assert!(kept.iter().all(|text| !text.contains(&secret[13..])), "{kept:?}");
        assert!(kept.iter().any(|text| text.len() == 64), "{kept:?}");
    }
}

#[tokio::test]
async fn what_happens_to_a_key_elsewhere_is_known_within_five_seconds() {
    for world in worlds().await {
        let (served, elsewhere) = (
            Served::with(world.connect(&plain()).await, Duration::ZERO).await,
            world.connect(&plain()).await,
        );
        assert_eq!(served.get("/v1/tasks").await.status, 200, "{}", world.database);
        let secret = key(&elsewhere, admin("ops")).await;
        world.clock.advance(Duration::from_secs(5));
        assert_eq!(served.get("/v1/tasks").await.problem(), denied("no_credentials"), "{}", world.database);
        assert_eq!(served.by(&secret, "GET /v1/tasks", "").await.status, 200, "{}", world.database);
        elsewhere.keys().revoke(id(&secret)).await.unwrap();
        world.clock.advance(Duration::from_secs(5));
        let revoked = served.by(&secret, "GET /v1/tasks", "").await;
        assert_eq!(revoked.problem(), denied("bad_credentials"), "{}", world.database);
        // It is not open again.
        assert_eq!(served.get("/v1/tasks").await.problem(), denied("no_credentials"), "{}", world.database);
        let again = Served::with(world.connect(&plain()).await, Duration::ZERO).await;
        assert_eq!(again.get("/v1/tasks").await.problem(), denied("no_credentials"), "{}", world.database);
    }
}

#[tokio::test]
async fn revoked_key_ends_at_once_where_it_was_revoked_and_an_expired_one_everywhere() {
    for world in worlds().await {
        let served = Served::with(world.connect(&plain()).await, Duration::ZERO).await;
        let ops = key(&served.tasker, admin("ops")).await;
        let end = served.tasker.now() + Duration::from_secs(3);
        let short = key(&served.tasker, NewKey::until("short", end).role(Role::Viewer)).await;
        for secret in [&ops, &short] {
            assert_eq!(said(&served.by(secret, "GET /v1/tasks", "").await), fine(), "{}", world.database);
        }
        // What is known of it is not read anew so soon.
        world.clock.advance(Duration::from_secs(3));
        let expired = served.by(&short, "GET /v1/tasks", "").await;
        assert_eq!(expired.problem(), denied("expired_credentials"), "{}", world.database);
        let challenge = expired.header("www-authenticate").unwrap();
        assert!(challenge.contains("invalid_token"), "{challenge}");
        let other = key(&served.tasker, admin("other")).await;
        assert_eq!(said(&served.by(&other, "GET /v1/tasks", "").await), fine(), "{}", world.database);
        let revoke = format!("DELETE /v1/keys/{}", id(&other));
        assert_eq!(served.by(&ops, &revoke, "").await.status, 204, "{}", world.database);
        assert_eq!(served.by(&other, "GET /v1/tasks", "").await.problem(), denied("bad_credentials"));
        assert_eq!(served.by(&ops, &revoke, "").await.status, 204, "twice is once");
        let none = served.by(&ops, "DELETE /v1/keys/aaaaaaaa", "").await;
        assert_eq!(none.problem(), (404, "no_such_key".to_owned()), "{}", world.database);
    }
}

#[tokio::test]
async fn credentials_that_are_not_good_are_looked_at_twenty_times_a_minute() {
    for world in worlds().await {
        let served = Served::with(world.connect(&plain()).await, Duration::ZERO).await;
        let ops = key(&served.tasker, admin("ops")).await;
        let wrong = format!("{}{}", &ops[..13], "x".repeat(43));
        assert_eq!(served.by(&ops, "GET /v1/tasks", "").await.status, 200, "{}", world.database);
        for attempt in 0..20 {
            let bad = if attempt % 2 == 0 { "nonsense" } else { &wrong };
            let answer = served.by(bad, "GET /v1/tasks", "").await;
            assert_eq!(answer.problem(), denied("bad_credentials"), "{}: {attempt}", world.database);
        }
        let blocked = served.by(&wrong, "GET /v1/tasks", "").await;
        assert_eq!(blocked.problem(), (429, "too_many_failures".to_owned()), "{}", world.database);
        assert_eq!(blocked.header("retry-after"), Some("61"), "{blocked:?}");
        // Whoever showed a good one before, by the same proxy for example, is not kept out.
        world.clock.advance(Duration::from_secs(10));
        assert_eq!(said(&served.by(&ops, "GET /v1/tasks", "").await), fine(), "{}", world.database);
        world.clock.advance(Duration::from_secs(50));
        assert_eq!(served.by(&wrong, "GET /v1/tasks", "").await.problem(), denied("bad_credentials"));
        let page = served.get("/metrics").await.body;
        for line in [
            r#"tasker_auth_failures_total{kind="bad_credentials"} 21"#,
            r#"tasker_auth_failures_total{kind="too_many_failures"} 1"#,
        ] {
            assert!(page.contains(line), "{}: {line}: {page}", world.database);
        }
    }
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    for world in worlds().await {
        let served = Served::with(world.connect(&plain()).await, Duration::ZERO).await;
        let new = NewKey::that_never_expires("clerk").permission("keys:manage").permission("tasks:read");
        let clerk = key(&served.tasker, new.namespace("test")).await;
        let ops = key(&served.tasker, admin("ops")).await;
        let more = [
            r#"{"name": "x", "never_expires": true, "permissions": ["tasks:submit"], "namespaces": ["test"]}"#,
            r#"{"name": "x", "never_expires": true, "role": "admin", "namespaces": ["test"]}"#,
            r#"{"name": "x", "never_expires": true, "permissions": ["tasks:read"], "namespaces": ["other"]}"#,
            r#"{"name": "x", "never_expires": true, "permissions": ["tasks:read"]}"#,
        ];
        for body in more {
            let refused = served.by(&clerk, "POST /v1/keys", body).await;
            assert_eq!(refused.problem(), (403, "not_permitted".to_owned()), "{}: {body}", world.database);
        }
        let hidden = served.by(&clerk, &format!("DELETE /v1/keys/{}", id(&ops)), "").await;
        assert_eq!(hidden.problem(), (404, "no_such_key".to_owned()), "{}", world.database);
        let same =
            r#"{"name": "x", "never_expires": true, "permissions": ["tasks:list"], "namespaces": ["test"]}"#;
        let made = served.by(&clerk, "POST /v1/keys", same).await;
        assert_eq!((made.status, &made.json()["created_by"]), (201, &json!("clerk")), "{made:?}");
        let listed = served.by(&clerk, "GET /v1/keys", "").await.json();
        assert_eq!(listed["items"].as_array().unwrap().len(), 2, "{}: {listed}", world.database);
        let all = served.by(&ops, "GET /v1/keys", "").await.json();
        assert_eq!(all["items"].as_array().unwrap().len(), 3, "{}: {all}", world.database);
        for (body, pointer) in [
            (r#"{"name": "x/y", "never_expires": true, "role": "viewer"}"#, "/name"),
            (r#"{"name": "x", "never_expires": true}"#, "/permissions"),
            (r#"{"name": "x", "never_expires": true, "permissions": ["tasks:raed"]}"#, "/permissions"),
            (r#"{"name": "x", "never_expires": true, "role": "viewer", "namespaces": []}"#, "/namespaces"),
            (r#"{"name": "x", "never_expires": true, "role": "boss"}"#, "/role"),
            (r#"{"name": "x", "role": "viewer"}"#, "/expires_in_days"),
            (r#"{"name": "x", "role": "viewer", "expires_in_days": 0}"#, "/expires_in_days"),
            (r#"{"name": "x", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z"}"#, "/expires_at"),
        ] {
            let refused = served.by(&ops, "POST /v1/keys", body).await;
            assert_eq!(refused.problem(), (422, "fields_invalid".to_owned()), "{body}");
            assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}: {refused:?}");
        }
        assert_eq!(world.count("select count(*) from tasker.api_keys").await, 3, "{}", world.database);
    }
}

#[tokio::test]
async fn whoever_is_not_on_this_machine_needs_a_key_even_where_there_is_none() {
    for world in worlds().await {
        let served = Served::exposed(world.connect(&plain()).await).await;
        for path in ["/v1/tasks", "/v1/whoami", "/metrics", "/v1/keys", "/nothing"] {
            let answer = served.get(path).await;
            assert_eq!(answer.problem(), denied("no_credentials"), "{}: {path}", world.database);
        }
        let first = served.post("/v1/keys", r#"{"name": "x", "role": "admin", "never_expires": true}"#).await;
        assert_eq!(first.problem(), denied("no_credentials"), "{}", world.database);
        assert_eq!(served.get("/health/live").await.status, 200);
        let ops = key(&served.tasker, admin("ops")).await;
        for path in ["/v1/tasks", "/v1/whoami", "/metrics"] {
            assert_eq!(said(&served.by(&ops, &format!("GET {path}"), "").await), fine(), "{path}");
        }
    }
}

#[tokio::test]
async fn key_stands_in_the_audit_trail_and_its_use_is_noted_to_the_minute() {
    for world in worlds().await {
        let served = Served::with(world.connect(&plain()).await, Duration::ZERO).await;
        let ops = key(&served.tasker, admin("ops")).await;
        let body = r#"{"template": "plain"}"#;
        let id_of_task = served.by(&ops, "POST /v1/tasks", body).await.json()["task_id"].clone();
        let path = format!("/v1/tasks/{}", id_of_task.as_str().unwrap());
        served.by(&ops, &format!("POST {path}/pause"), "").await;
        served.by(&ops, &format!("POST {path}/resume"), r#"{"actor": "ada"}"#).await;
        let trail = served.by(&ops, &format!("GET {path}/audit"), "").await.json();
        let actors: Vec<&Value> =
            trail["items"].as_array().unwrap().iter().map(|line| &line["actor"]).collect();
        assert_eq!(actors, ["ops", "ops/ada"], "{}: {trail}", world.database);
        let used = || async { served.tasker.keys().get(id(&ops)).await.unwrap().unwrap().last_used_at };
        let first = used().await.unwrap();
        world.clock.advance(Duration::from_secs(59));
        served.by(&ops, "GET /v1/tasks", "").await;
        assert_eq!(used().await, Some(first), "{}", world.database);
        world.clock.advance(Duration::from_secs(1));
        served.by(&ops, "GET /v1/tasks", "").await;
        assert_eq!(used().await, Some(first + Duration::from_secs(60)), "{}", world.database);
    }
}

/// A world in which a task failed, seen by a key with these permissions.
async fn seen_by(world: &World, permissions: &[&str]) -> (Served, String, String) {
    let fails = |_| async {
        let error = StepError::permanent("DECLINED", "the secret bank said no");
        Err(error.with_context(json!({"card": "secret"})))
    };
    world.stage.on("bad", fails);
    world.stage.on("aside", |_| async { Ok(json!("secret")) });
    let served = Served::start(world, &broken()).await;
    let id = served.rested("broken", r#"{"card": "secret"}"#).await;
    served.post(&format!("/v1/tasks/{id}/resolve"), r#"{"step": "bad", "result": "secret"}"#).await;
    let schedule =
        Schedule::every(Duration::from_secs(3600)).name("nightly").input(json!({"card": "secret"}));
    served.tasker.schedules().create("broken", schedule).await.unwrap();
    let again = served.rested("broken", r#"{"card": "secret"}"#).await;
    let new = permissions.iter().fold(NewKey::that_never_expires("x"), |new, word| new.permission(*word));
    let secret = key(&served.tasker, new).await;
    // This process learns of it as others do.
    world.clock.advance(Duration::from_secs(5));
    (served, secret, format!("{id} {again}"))
}

#[tokio::test]
async fn payloads_are_hidden_from_those_who_may_not_see_them() {
    for world in worlds().await {
        let (served, reader, tasks) =
            seen_by(&world, &["tasks:read", "tasks:operate", "schedules:read"]).await;
        let (resolved, blocked) = tasks.split_once(' ').unwrap();
        let hidden = json!({"hidden": "payload"});
        let mut paths = vec!["GET /v1/schedules".to_owned(), "GET /v1/schedules/nightly".to_owned()];
        for task in [resolved, blocked] {
            for rest in ["", "/steps", "/steps/bad", "/why", "/audit"] {
                paths.push(format!("GET /v1/tasks/{task}{rest}"));
            }
            paths.push(format!("POST /v1/tasks/{task}/cancel"));
        }
        for path in &paths {
            let answer = served.by(&reader, path, "").await;
            assert!(!answer.body.contains("secret"), "{}: {path}: {answer:?}", world.database);
        }
        let task = served.by(&reader, &format!("GET /v1/tasks/{blocked}"), "").await.json();
        assert_eq!((&task["context"], &task["steps"][0]["error"]["context"]), (&hidden, &hidden), "{task}");
        assert_eq!(task["steps"][0]["error"]["code"], "DECLINED", "{task}");
        let aside = served.by(&reader, &format!("GET /v1/tasks/{blocked}/steps/aside"), "").await.json();
        assert_eq!(aside["result"], hidden, "{aside}");
        let waiting = [("prefer", "wait=1"), ("x-api-key", &*reader)];
        let submitted = served.send("POST /v1/tasks", &waiting, r#"{"template": "broken"}"#).await;
        assert_eq!(submitted.problem(), (403, "not_permitted".to_owned()), "{}", world.database);
        // Whoever may see them does.
        let all = key(&served.tasker, admin("all")).await;
        let shown = paths.iter().filter(|path| path.starts_with("GET") && !path.ends_with("why"));
        for path in shown.filter(|path| !path.contains(blocked) || !path.ends_with("audit")) {
            let answer = served.by(&all, path, "").await;
            assert!(answer.body.contains("secret"), "{}: {path}: {answer:?}", world.database);
        }
    }
}

#[tokio::test]
async fn who_may_only_submit_or_operate_sees_nothing_of_the_task() {
    for world in worlds().await {
        let (served, operator, tasks) = seen_by(&world, &["tasks:operate", "tasks:submit"]).await;
        let (_, blocked) = tasks.split_once(' ').unwrap();
        let before = world.count("select count(*) from tasker.tasks").await;
        let waiting = [("prefer", "wait=1"), ("x-api-key", &*operator)];
        let submitted = served.send("POST /v1/tasks", &waiting, r#"{"template": "broken"}"#).await;
        assert_eq!(submitted.problem(), (403, "not_permitted".to_owned()), "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.tasks").await, before, "nothing was added");
        let cancelled = served.by(&operator, &format!("POST /v1/tasks/{blocked}/cancel"), "").await.json();
        assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
        assert!(cancelled.get("context").is_none() && cancelled.get("steps").is_none(), "{cancelled}");
    }
}
