//! What becomes a task, and what is refused.

use std::{collections::HashSet, str::FromStr, time::Duration};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use support::{
    stage::{step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    Tasker,
    api::{Submission, SubmitError},
    model::{Json, TaskState},
    template::Template,
};
use uuid::Uuid;

fn plain() -> Template {
    template("plain", [step("a", &[])])
}

fn with_schema() -> Template {
    let schema = json!({
        "type": "object",
        "required": ["email"],
        "properties": {
            "email": { "type": "string" },
            "items": { "type": "array", "items": { "type": "object", "properties": { "qty": { "type": "integer" } } } }
        }
    });
    Template::builder("order").namespace("test").input_schema(schema).step(step("a", &[])).build().unwrap()
}

async fn tasks(world: &World) -> u64 {
    world.count("select count(*) from tasker.tasks").await
}

#[tokio::test]
async fn input_that_breaks_the_schema_is_refused_with_every_path() {
    for world in worlds().await {
        let office = world.connect(&with_schema()).await;
        let input = json!({"items": [{"qty": 1}, {"qty": "two"}]});
        let refused = office.submit(Submission::to("test/order").context(&input).unwrap()).await.unwrap_err();
        let text = refused.to_string();
        assert!(text.starts_with("the input does not fit test/order:\n"), "{text}");
        assert!(text.contains("  input: \"email\" is a required property"), "{text}");
        assert!(text.contains("  input.items.1.qty: \"two\" is not of type \"integer\""), "{text}");
        assert_eq!(tasks(&world).await, 0, "{}", world.database);
        let good = Submission::to("test/order").context(&json!({"email": "a@b"})).unwrap();
        office.submit(good).await.unwrap();
        assert_eq!(tasks(&world).await, 1, "{}", world.database);
    }
}

#[tokio::test]
async fn unknown_template_is_refused_with_the_nearest_name() {
    for world in worlds().await {
        let office = world.connect(&plain()).await;
        for (asked, message) in [
            ("test/plian", "there is no template `test/plian`; did you mean `test/plain`?"),
            ("plaim", "there is no template `plaim`; did you mean `test/plain`?"),
            ("zzz", "there is no template `zzz`"),
        ] {
            let refused = office.submit(Submission::to(asked)).await.unwrap_err();
            assert_eq!(refused.to_string(), message, "{}", world.database);
        }
        office.submit(Submission::to("plain")).await.unwrap();
    }
}

#[tokio::test]
async fn same_key_and_input_give_the_same_task_and_other_input_is_refused() {
    for world in worlds().await {
        let tasker = world.start(&plain()).await;
        let order = |input: u32| Submission::to("test/plain").context(&input).unwrap().idempotency_key("k");
        let first = tasker.submit(order(1)).await.unwrap();
        assert_eq!(tasker.submit(order(1)).await.unwrap(), first, "{}", world.database);
        settled(&tasker, first).await;
        assert_eq!(tasker.submit(order(1)).await.unwrap(), first, "{}: when it is over, too", world.database);
        match tasker.submit(order(2)).await.unwrap_err() {
            SubmitError::KeyReused { key, task } => {
                assert_eq!((&*key, task), ("k", first), "{}", world.database);
            }
            other => panic!("{other}"),
        }
        assert_eq!((tasks(&world).await, world.stage.calls().len()), (1, 1), "{}", world.database);
    }
}

#[tokio::test]
async fn same_input_in_other_words_gives_the_same_task() {
    for world in worlds().await {
        let office = world.connect(&plain()).await;
        let order = |text: &str| {
            Submission::to("test/plain").json(Json::from_text(text).unwrap()).idempotency_key("k")
        };
        let first = office.submit(order(r#"{"n":1,"to":{"a":"é","b":[]}}"#)).await.unwrap();
        let again = order("{ \"to\": {\"b\": [ ], \"a\": \"\\u00e9\"},\n \"n\": 1 }");
        assert_eq!(office.submit(again).await.unwrap(), first, "{}", world.database);
        let other = office.submit(order(r#"{"n":1,"to":{"a":"é","b":[1]}}"#)).await.unwrap_err();
        assert!(matches!(other, SubmitError::KeyReused { .. }), "{}: {other}", world.database);
        assert_eq!(tasks(&world).await, 1, "{}", world.database);
    }
}

#[tokio::test]
async fn empty_key_is_refused() {
    for world in worlds().await {
        let office = world.connect(&plain()).await;
        let refused = office.submit(Submission::to("test/plain").idempotency_key("")).await.unwrap_err();
        assert_eq!(refused.to_string(), "an idempotency key must have at least one character");
        assert_eq!(tasks(&world).await, 0, "{}", world.database);
    }
}

#[tokio::test]
async fn keys_belong_to_their_template() {
    for world in worlds().await {
        let other = template("other", [step("a", &[])]);
        let office = world.builder(&[]).template(plain()).template(other).connect().await.unwrap();
        let one = office.submit(Submission::to("test/plain").idempotency_key("k")).await.unwrap();
        let two = office.submit(Submission::to("test/other").idempotency_key("k")).await.unwrap();
        assert_ne!(one, two, "{}", world.database);
    }
}

#[tokio::test]
async fn thousand_submissions_of_one_key_at_once_make_one_task() {
    for world in worlds().await {
        // From several processes, as far as the store is concerned.
        let mut offices = Vec::new();
        for _ in 0..4 {
            offices.push(world.connect(&plain()).await);
        }
        let submitting = (0..1000).map(|number| {
            let office: Tasker = offices[number % offices.len()].clone();
            tokio::spawn(
                async move { office.submit(Submission::to("test/plain").idempotency_key("one")).await },
            )
        });
        let mut made = HashSet::new();
        for submitted in submitting.collect::<Vec<_>>() {
            made.insert(submitted.await.unwrap().unwrap());
        }
        assert_eq!((made.len(), tasks(&world).await), (1, 1), "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.runs").await, 1, "{}", world.database);
    }
}

/// Submits inside a transaction that also writes a row of the caller's own, and commits or not.
async fn submit_beside_a_row(world: &World, office: &Tasker, commit: bool) -> Uuid {
    let order = Submission::to("test/plain");
    if world.database.is_sqlite() {
        let options = SqliteConnectOptions::from_str(&world.database.url).unwrap();
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        sqlx::query("insert into orders values (1)").execute(&mut *transaction).await.unwrap();
        let task = office.submit_in(&mut transaction, order).await.unwrap();
        if commit { transaction.commit().await } else { transaction.rollback().await }.unwrap();
        task
    } else {
        let mut connection = PgConnection::connect(&world.database.url).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        sqlx::query("set local search_path = public").execute(&mut *transaction).await.unwrap();
        sqlx::query("insert into tasker.orders values (1)").execute(&mut *transaction).await.unwrap();
        let task = office.submit_in(&mut transaction, order).await.unwrap();
        if commit { transaction.commit().await } else { transaction.rollback().await }.unwrap();
        task
    }
}

#[tokio::test]
async fn task_submitted_in_a_transaction_is_there_when_and_only_when_it_commits() {
    for world in worlds().await {
        let office = world.connect(&plain()).await;
        world.change("create table tasker.orders (id bigint)").await;
        let lost = submit_beside_a_row(&world, &office, false).await;
        assert!(office.show(lost).await.unwrap().is_none(), "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.orders").await, 0, "{}", world.database);
        let kept = submit_beside_a_row(&world, &office, true).await;
        assert_eq!(world.count("select count(*) from tasker.orders").await, 1, "{}", world.database);
        let tasker = world.start(&plain()).await;
        assert_eq!(settled(&tasker, kept).await.state, TaskState::Complete, "{}", world.database);
        assert_eq!(tasks(&world).await, 1, "{}", world.database);
    }
}

#[tokio::test]
async fn of_many_tasks_submitted_together_one_that_is_refused_refuses_all() {
    for world in worlds().await {
        let office = world.connect(&with_schema()).await;
        let order = |input: Value| Submission::to("test/order").context(&input).unwrap();
        let orders = [order(json!({"email": "a@b"})), order(json!({})), order(json!({"email": "c@d"}))];
        let refused = office.submit_all(orders).await.unwrap_err();
        assert!(matches!(refused, SubmitError::Context { .. }), "{refused}");
        assert_eq!(tasks(&world).await, 0, "{}", world.database);
        let many = (0..300).map(|number| order(json!({"email": format!("{number}@b")})));
        let made = office.submit_all(many).await.unwrap();
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), 300, "{}", world.database);
        assert_eq!(tasks(&world).await, 300, "{}", world.database);
        for (number, &task) in made.iter().enumerate().step_by(60) {
            let context = office.show(task).await.unwrap().unwrap().context;
            assert_eq!(context, json!({"email": format!("{number}@b")}), "{}", world.database);
        }
    }
}

#[tokio::test]
async fn higher_priority_goes_first_and_equals_go_in_order() {
    for world in worlds().await {
        let office = world.connect(&plain()).await;
        let mut expected = Vec::new();
        for (place, priority) in [(3, 0), (1, 5), (4, 0), (0, i16::MAX), (5, -7), (2, 5)] {
            let order = Submission::to("test/plain").priority(priority);
            expected.push((place, office.submit(order).await.unwrap()));
            world.clock.advance(Duration::from_millis(1));
        }
        expected.sort_unstable();
        let expected: Vec<Uuid> = expected.into_iter().map(|(_, task)| task).collect();
        let one_at_a_time = [("worker.held_tasks", "1"), ("worker.concurrency", "1")];
        let tasker = world.builder(&one_at_a_time).template(plain()).start().await.unwrap();
        for &task in &expected {
            settled(&tasker, task).await;
        }
        let order: Vec<Uuid> = world.stage.calls().iter().map(|call| call.task).collect();
        assert_eq!(order, expected, "{}", world.database);
    }
}

#[tokio::test]
async fn delayed_task_starts_at_its_time_and_not_before() {
    for world in worlds().await {
        let tasker = world.start(&plain()).await;
        let delay = Duration::from_secs(600);
        let task = tasker.submit(Submission::to("test/plain").delay(delay)).await.unwrap();
        world.clock.advance(delay - Duration::from_micros(1));
        let probe: String = tasker.run("test/plain", &()).await.unwrap();
        assert_eq!((&*probe, world.stage.calls().len()), ("a", 1), "{}", world.database);
        let before = tasker.show(task).await.unwrap().unwrap();
        assert_eq!(before.state, TaskState::Pending, "{}", world.database);
        let started = || async {
            world.clock.advance(Duration::from_secs(1));
            (world.stage.calls().len() == 2).then_some(())
        };
        eventually("the delayed task", started).await;
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
    }
}

#[tokio::test]
async fn submitted_task_survives_the_process_that_took_it_at_once() {
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let process = world.process(&plain()).await;
        let task = process.submit(Submission::to("test/plain")).await;
        process.kill();
        gate.add_permits(2);
        world.clock.advance(Duration::from_secs(16));
        let tasker = world.start(&plain()).await;
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
    }
}

#[tokio::test]
async fn template_that_changed_without_a_new_version_is_refused_while_open_tasks_use_the_kept_one() {
    for world in worlds().await {
        let office = world.connect(&plain()).await;
        let task = office.submit(Submission::to("test/plain")).await.unwrap();
        let changed = template("plain", [step("a", &[]), step("z", &["a"])]);
        let refused = world.builder(&[]).template(changed.clone()).connect().await.err().unwrap().to_string();
        assert!(refused.starts_with("template test/plain 1.0.0 is kept with other content"), "{refused}");
        let builder = world.builder(&[]).template(changed).replace_templates(true);
        let tasker = builder.start().await.unwrap();
        assert_eq!(settled(&tasker, task).await.result, json!("a"), "{}: as it started", world.database);
        let next: Value = tasker.run("test/plain", &()).await.unwrap();
        assert_eq!(next, json!("z"), "{}", world.database);
    }
}

#[tokio::test]
async fn template_that_changed_without_a_new_version_replaces_one_that_no_open_task_uses() {
    let changed = || template("plain", [step("a", &[]), step("z", &["a"])]);
    for world in worlds().await {
        let tasker = world.start(&plain()).await;
        let over = tasker.submit(Submission::to("test/plain")).await.unwrap();
        assert_eq!(settled(&tasker, over).await.result, json!("a"), "{}", world.database);
        tasker.stop().await.unwrap();
        let tasker = world.start(&changed()).await;
        let result: Value = tasker.run("test/plain", &()).await.unwrap();
        assert_eq!(result, json!("z"), "{}", world.database);
        let kept = tasker.show(over).await.unwrap().unwrap();
        assert_eq!(kept.steps.len(), 1, "{}: it is shown as it ran", world.database);
        tasker.stop().await.unwrap();
        // Back again, and an open task of this very content is in nobody's way but the other's.
        let office = world.connect(&plain()).await;
        office.submit(Submission::to("test/plain")).await.unwrap();
        world.connect(&plain()).await;
        let third = template("plain", [step("a", &[]), step("y", &["a"])]);
        let refused = world.builder(&[]).template(third).connect().await.err().unwrap().to_string();
        let expected = "template test/plain 1.0.0 is kept with other content, and open tasks use it: give it a new \
                        version, or replace it with --replace";
        assert_eq!(refused, expected, "{}", world.database);
    }
}
