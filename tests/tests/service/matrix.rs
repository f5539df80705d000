//! Who may do what: every operation of the contract, by everybody there can be.

use std::time::Duration;

use serde_json::{Value, json};
use support::{
    http::Answer,
    stage::{step, template},
    world::{World, worlds},
};
use tasker_runtime::{
    api::{NewKey, Permission, Submission},
    model::Command,
    template::Schedule,
};
use uuid::Uuid;

use crate::{Served, tokens::Issuer};

/// An operation: what it asks for, a body, what somebody sees who has all permissions in another namespace, and what
/// somebody who may.
struct Row {
    operation: &'static str,
    needs: Needs,
    body: &'static str,
    elsewhere: (u16, &'static str),
    right: (u16, &'static str),
}

#[derive(Clone, Copy)]
enum Needs {
    /// Anybody may.
    Nothing,
    /// Whoever shows a credential may.
    Credential,
    All(&'static [&'static str]),
}
use Needs::{All, Credential, Nothing};

const fn row(
    operation: &'static str,
    needs: Needs,
    body: &'static str,
    elsewhere: (u16, &'static str),
    right: (u16, &'static str),
) -> Row {
    Row { operation, needs, body, elsewhere, right }
}

const OK: (u16, &str) = (200, "");
const CREATED: (u16, &str) = (201, "");
const NO_TASK: (u16, &str) = (404, "no_such_task");
const NO_TEMPLATE: (u16, &str) = (404, "no_such_template");
const NO_SCHEDULE: (u16, &str) = (404, "no_such_schedule");

const READ: Needs = All(&["tasks:read"]);
const OPERATE: Needs = All(&["tasks:operate"]);
const COPY: Needs = All(&["tasks:submit", "tasks:payload"]);
const SCHEDULES: Needs = All(&["schedules:manage"]);
const KEYS: Needs = All(&["keys:manage"]);
const ONLY: &str = r#"{"step": "only"}"#;

/// As the documentation has it. The task waits for its first step, which nobody runs.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("POST /v1/tasks", All(&["tasks:submit"]), r#"{"template": "test/plain"}"#, NO_TEMPLATE, CREATED),
    row("GET /v1/tasks", READ, "", OK, OK),
    row("POST /v1/tasks/batch", All(&["tasks:submit"]), r#"{"tasks": [{"template": "test/plain"}]}"#, NO_TEMPLATE, CREATED),
    row("GET /v1/tasks/{id}", READ, "", NO_TASK, OK),
    row("GET /v1/tasks/{id}/steps", READ, "", NO_TASK, OK),
    row("GET /v1/tasks/{id}/steps/{step}", READ, "", NO_TASK, OK),
    row("GET /v1/tasks/{id}/why", READ, "", NO_TASK, OK),
    row("GET /v1/tasks/{id}/audit", READ, "", NO_TASK, OK),
    row("GET /v1/tasks/{id}/progress", READ, "", NO_TASK, OK),
    row("POST /v1/tasks/{id}/retry", OPERATE, "{}", NO_TASK, (409, "nothing_failed")),
    row("POST /v1/tasks/{id}/resolve", OPERATE, ONLY, NO_TASK, (409, "wrong_step_state")),
    row("POST /v1/tasks/{id}/skip", OPERATE, ONLY, NO_TASK, (409, "wrong_step_state")),
    row("POST /v1/tasks/{id}/cancel", OPERATE, "", NO_TASK, OK),
    row("POST /v1/tasks/{id}/give_up", OPERATE, "", NO_TASK, (409, "not_blocked")),
    row("POST /v1/tasks/{id}/pause", OPERATE, "", NO_TASK, OK),
    row("POST /v1/tasks/{id}/resume", OPERATE, "", NO_TASK, (409, "not_paused")),
    row("POST /v1/tasks/{id}/signals/{name}", OPERATE, "{}", NO_TASK, (422, "no_such_signal")),
    row("POST /v1/tasks/{id}/copy", COPY, "{}", NO_TASK, CREATED),
    row("POST /v1/tasks/{id}/fork", COPY, ONLY, NO_TASK, CREATED),
    row("GET /v1/templates", All(&["templates:read"]), "", OK, OK),
    row("GET /v1/templates/{namespace}/{name}", All(&["templates:read"]), "", NO_TEMPLATE, OK),
    row("GET /v1/workers", All(&["workers:read"]), "", OK, OK),
    row("GET /v1/dead-letters", All(&["dlq:read"]), "", OK, OK),
    row("GET /v1/schedules", All(&["schedules:read"]), "", OK, OK),
    row("GET /v1/schedules/{name}", All(&["schedules:read"]), "", NO_SCHEDULE, OK),
    row("DELETE /v1/schedules/{name}", SCHEDULES, "", NO_SCHEDULE, (204, "")),
    row("POST /v1/schedules/{name}/pause", SCHEDULES, "", NO_SCHEDULE, OK),
    row("POST /v1/schedules/{name}/resume", SCHEDULES, "", NO_SCHEDULE, OK),
    row("POST /v1/schedules/{name}/trigger", SCHEDULES, "", NO_SCHEDULE, CREATED),
    row("POST /v1/keys", KEYS, r#"{"name": "x", "never_expires": true, "permissions": ["keys:manage"]}"#, (403, "not_permitted"), CREATED),
    row("GET /v1/keys", KEYS, "", OK, OK),
    row("DELETE /v1/keys/{key}", KEYS, "", (404, "no_such_key"), (204, "")),
    row("GET /v1/whoami", Credential, "", OK, OK),
    row("GET /v1/config", All(&["system:read"]), "", OK, OK),
    row("GET /", Nothing, "", OK, OK),
    row("GET /v1/openapi.json", Nothing, "", OK, OK),
    row("GET /metrics", All(&["system:read"]), "", OK, OK),
    row("GET /health", Nothing, "", OK, OK),
    row("GET /health/live", Nothing, "", OK, OK),
    row("GET /health/ready", Nothing, "", OK, OK),
    row("GET /health/started", Nothing, "", OK, OK),
];

/// Somebody who asks.
enum Who {
    /// Shows this, and is refused so.
    Stranger(&'static str, Option<String>, &'static str),
    /// Has this key, with these permissions.
    Has(String, Vec<Permission>),
    /// Has a key for another namespace.
    Elsewhere(String),
}

/// Everybody there can be.
async fn everybody(world: &World, served: &Served, issuer: &Issuer) -> Vec<Who> {
    let keys = served.tasker.keys();
    let make = |new: NewKey| async { keys.create(new).await.unwrap().secret().to_owned() };
    let all = |name: &str| NewKey::that_never_expires(name).permission("*");
    let end = served.tasker.now() + Duration::from_secs(1);
    let expired = make(NewKey::until("expired", end).permission("*")).await;
    let revoked = make(all("revoked")).await;
    keys.revoke(&revoked[4..12]).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let good = make(all("right")).await;
    let wrong = format!("{}{}", &good[..13], "x".repeat(43));
    let mut everybody = vec![
        Who::Stranger("nobody", None, "no_credentials"),
        Who::Stranger("wrong", Some(wrong), "bad_credentials"),
        Who::Stranger("revoked", Some(revoked), "bad_credentials"),
        Who::Stranger("expired", Some(expired), "expired_credentials"),
        Who::Elsewhere(make(all("elsewhere").namespace("other")).await),
        Who::Has(good, Permission::ALL.to_vec()),
    ];
    let token = |more: Value| issuer.token(world, more);
    let all = json!({"permissions": ["*"]});
    let with = |claim: &str, value: Value| {
        let mut claims = all.clone();
        claims[claim] = value;
        token(claims)
    };
    let stranger = Issuer::new().token(world, all.clone());
    everybody.extend([
        Who::Stranger("token of a stranger", Some(stranger), "bad_credentials"),
        Who::Stranger("token for others", Some(with("aud", json!("others"))), "bad_credentials"),
        Who::Stranger("token of others", Some(with("iss", json!("https://x.example"))), "bad_credentials"),
        Who::Stranger("early token", Some(with("nbf", json!(4_000_000_000_u64))), "bad_credentials"),
        Who::Stranger("old token", Some(with("exp", json!(1_600_000_000))), "expired_credentials"),
        Who::Elsewhere(with("namespaces", json!(["other"]))),
        Who::Has(with("exp", json!(4_000_000_000_u64)), Permission::ALL.to_vec()),
        Who::Has(with("permissions", json!(["nothing:known"])), Vec::new()),
    ]);
    for permission in Permission::ALL {
        let new = NewKey::that_never_expires(permission.as_str()).permission(permission.as_str());
        everybody.push(Who::Has(make(new).await, vec![*permission]));
    }
    everybody
}

/// Everything that a request may change.
async fn fingerprint(world: &World) -> Vec<Vec<Option<String>>> {
    let count = |table: &str| {
        format!("select '{table}' as what, cast(count(*) as text) as a, '' as b from tasker.{table}")
    };
    let mut all: Vec<String> = ["tasks", "audit", "commands", "signals"].map(count).into();
    all.extend([
        "select cast(task_id as text), cast(state as text), cast(run_at as text) from tasker.runs".to_owned(),
        "select name, cast(paused as text), cast(started as text) from tasker.schedules".to_owned(),
        "select id, cast(revoked_at as text), '' from tasker.api_keys".to_owned(),
    ]);
    world.rows(&format!("{} order by what, a, b", all.join(" union all "))).await
}

/// The operation on a task, a schedule or a key of its own.
async fn filled(served: &Served, operation: &str) -> String {
    let mut filled = operation.replace("{namespace}", "test").replace("{step}", "only");
    if filled.contains("{id}") {
        let task = served.tasker.submit(Submission::to("test/plain")).await.unwrap();
        if operation.ends_with("/progress") {
            // The stream of a task that is over ends.
            served.tasker.operate(task, &Command::Cancel).await.unwrap();
        }
        filled = filled.replace("{id}", &task.to_string());
    }
    if filled.contains("/schedules/{name}") {
        let name = format!("nightly-{}", Uuid::now_v7());
        let schedule = Schedule::every(Duration::from_secs(3600)).name(&name);
        served.tasker.schedules().create("test/plain", schedule).await.unwrap();
        filled = filled.replace("{name}", &name);
    }
    if filled.contains("{key}") {
        let key = NewKey::that_never_expires("spare").permission("keys:manage");
        filled = filled.replace("{key}", &served.tasker.keys().create(key).await.unwrap().report.id);
    }
    filled.replace("{name}", if operation.contains("/templates/") { "plain" } else { "approval" })
}

fn said(answer: &Answer) -> (u16, String) {
    if answer.status < 400 { (answer.status, String::new()) } else { answer.problem() }
}

/// What somebody is to see, and whether that is a refusal.
fn wanted(row: &Row, who: &Who) -> ((u16, &'static str), bool) {
    match (row.needs, who) {
        (Nothing, _) => (row.right, false),
        (_, Who::Stranger(_, _, code)) => ((401, *code), true),
        (_, Who::Elsewhere(_)) => (row.elsewhere, row.elsewhere.0 >= 400),
        (Credential, Who::Has(..)) => (row.right, false),
        (All(needs), Who::Has(_, permissions)) => {
            let has = |need: &&str| permissions.iter().any(|permission| permission.as_str() == *need);
            if needs.iter().all(has) {
                (row.right, row.right.0 >= 400)
            } else {
                ((403, "not_permitted"), true)
            }
        }
    }
}

#[tokio::test]
async fn everybody_may_what_the_table_says_and_what_is_refused_changes_nothing() {
    let document: Value = serde_json::from_str(tasker_runtime::server::openapi()).unwrap();
    let mut operations: Vec<String> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap().keys();
        operations.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    for operation in &operations {
        assert!(ROWS.iter().any(|row| row.operation == *operation), "{operation} has no row: who may do it?");
    }
    assert_eq!(ROWS.len(), operations.len());
    for world in worlds().await {
        let issuer = Issuer::new();
        let tasker = world.connect(&template("plain", [step("only", &[])])).await;
        let served = Served::at("0.0.0.0:0", tasker, Duration::ZERO, &issuer.config()).await;
        let everybody = everybody(&world, &served, &issuer).await;
        filled(&served, "{id} /schedules/{name}").await;
        let ready = || async { (served.get("/health/ready").await.status == 200).then_some(()) };
        support::world::eventually("the service to be ready", ready).await;
        for row in ROWS {
            for who in &everybody {
                let request = filled(&served, row.operation).await;
                let (name, key) = match who {
                    Who::Stranger(name, key, _) => ((*name).to_owned(), key.clone()),
                    Who::Elsewhere(key) => ("elsewhere".to_owned(), Some(key.clone())),
                    Who::Has(key, permissions) => (format!("{permissions:?}"), Some(key.clone())),
                };
                let header = key.map(|key| format!("Bearer {key}"));
                let headers: Vec<(&str, &str)> = header.iter().map(|key| ("authorization", &**key)).collect();
                let ((status, code), refused) = wanted(row, who);
                let before = if refused { fingerprint(&world).await } else { Vec::new() };
                let answer = served.send(&request, &headers, row.body).await;
                let at = format!("{}: {} by {name}", world.database, row.operation);
                assert_eq!(said(&answer), (status, code.to_owned()), "{at}: {answer:?}");
                if refused {
                    assert_eq!(fingerprint(&world).await, before, "{at}");
                }
                if matches!(who, Who::Elsewhere(_)) && status == 200 && row.operation.starts_with("GET /v1/")
                {
                    // What is of no namespace, and the key itself.
                    let sees =
                        ["workers", "whoami", "config", "openapi"].iter().any(|of| request.contains(of));
                    let items = answer.json()["items"].clone();
                    let mut own = items.as_array().into_iter().flatten();
                    assert!(
                        sees || items.is_array() && own.all(|item| item["name"] == "elsewhere"),
                        "{at}: {answer:?}"
                    );
                }
            }
            // Those who fail are looked at twenty times a minute.
            world.clock.advance(Duration::from_secs(60));
        }
    }
}
