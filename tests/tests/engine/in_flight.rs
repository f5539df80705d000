//! What tasks that are not over need is known before a program is deployed.

use serde_json::{Value, json};
use support::{
    stage::{step, template},
    world::{START, World, settled, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::{Examination, ProblemCode, Submission},
    model::Command,
    template::{Step, StepKind, Template},
};
use uuid::Uuid;

use crate::waits::HOUR;

fn plain() -> Template {
    template("plain", [step("a", &[]), step("b", &["a"])])
}

/// Its last step calls a handler that nobody has.
fn haunted() -> Template {
    template("haunted", [step("a", &[]), Step::new("b").handler("ghost").after(["a"])])
}

async fn office(world: &World) -> Tasker {
    let builder = world.builder(&[("handlers.partial", "true")]);
    builder.template(plain()).template(haunted()).connect().await.unwrap()
}

async fn submit(tasker: &Tasker, template: &str) -> Uuid {
    tasker.submit(Submission::to(template)).await.unwrap()
}

/// What was found, as code, step and number of tasks.
fn found(examined: &Examination) -> Vec<(ProblemCode, Option<&str>, u64)> {
    let problems = examined.problems.iter();
    problems.map(|problem| (problem.code, problem.step.as_deref(), problem.tasks)).collect()
}

#[tokio::test]
async fn open_tasks_are_counted_by_template_version_and_content() {
    for world in worlds().await {
        world.stage.on("b", |_| async { Err(StepError::permanent("DOWN", "no")) });
        let worker = world.start(&plain()).await;
        let blocked = submit(&worker, "test/plain").await;
        settled(&worker, blocked).await;
        let over = submit(&worker, "test/plain").await;
        settled(&worker, over).await;
        worker.operate(over, &Command::Cancel).await.unwrap();
        worker.stop().await.unwrap();
        let office = office(&world).await;
        world.clock.advance(HOUR);
        submit(&office, "test/plain").await;
        submit(&office, "test/haunted").await;
        let changed = template("plain", [step("a", &[])]);
        let later = world.builder(&[]).template(changed).replace_templates(true).connect().await.unwrap();
        submit(&later, "test/plain").await;
        let open = later.in_flight().await.unwrap();
        let said: Vec<(&str, &str, u64)> =
            open.iter().map(|open| (&*open.template, &*open.version, open.tasks)).collect();
        let expected = [("haunted", "1.0.0", 1), ("plain", "1.0.0", 2), ("plain", "1.0.0", 1)];
        assert_eq!(said, expected, "{}", world.database);
        assert_ne!(open[1].digest, open[2].digest, "{}", world.database);
        assert_eq!(open[1].oldest, START, "{}", world.database);
        assert_eq!(later.examine(false).await.unwrap().tasks, 4, "{}", world.database);
    }
}

#[tokio::test]
async fn what_would_hang_or_fail_is_found_and_nothing_is_written() {
    for world in worlds().await {
        let office = office(&world).await;
        let fine = submit(&office, "test/plain").await;
        let haunted = [submit(&office, "test/haunted").await, submit(&office, "test/haunted").await];
        let rows = "select task_id || ' ' || state || ' ' || lease || ' ' || run_at from tasker.runs order by task_id";
        let before = world.column(rows).await;
        let examined = office.examine(false).await.unwrap();
        let missing = [(ProblemCode::HandlerMissing, Some("b"), 2)];
        assert_eq!((examined.tasks, found(&examined)), (3, missing.to_vec()), "{}", world.database);
        assert_eq!(examined.problems[0].examples, haunted, "{}", world.database);
        assert_eq!(
            examined.problems[0].detail,
            "`b` calls `ghost`, which this program does not have, nor has a worker that runs now"
        );
        assert_eq!(found(&office.examine(true).await.unwrap()), missing, "{}", world.database);
        world
            .change(
                "insert into tasker.workers (name, started_at, seen_at, expires_at, handlers) \
                 values ('other', 1, 1, 4000000000000000, '[\"ghost\"]')",
            )
            .await;
        assert_eq!(found(&office.examine(true).await.unwrap()), [], "{}: another has it", world.database);
        assert_eq!(found(&office.examine(false).await.unwrap()), missing, "{}", world.database);

        // A step that is settled needs no handler any more.
        let number = format!("(select id from tasker.tasks where uuid = '{}')", haunted[0]);
        let settle = |step: u32| {
            format!(
                "insert into tasker.steps (task_id, started_at, finished_at, worker, step, attempt, result) \
                 values ({number}, 1, 1, 1, {step}, 1, '1')"
            )
        };
        world.change(&settle(1)).await;
        assert_eq!(found(&office.examine(false).await.unwrap())[0].2, 1, "{}", world.database);
        world.change(&settle(7)).await;
        let unreadable = (ProblemCode::JournalUnreadable, None, 1);
        let both = found(&office.examine(false).await.unwrap()).len();
        assert_eq!(both, 2, "{}", world.database);
        assert_eq!(found(&office.examine(false).await.unwrap())[0], unreadable, "{}", world.database);
        assert_eq!(world.column(rows).await, before, "{}: nothing was written", world.database);

        world.change("delete from tasker.templates where name = 'plain'").await;
        let other = world.builder(&[]).template(template("other", [step("a", &[])])).connect().await.unwrap();
        let examined = other.examine(false).await.unwrap();
        let gone = examined.problems.iter().find(|problem| problem.code == ProblemCode::TemplateGone);
        assert_eq!(gone.unwrap().examples, [fine], "{}", world.database);
    }
}

#[tokio::test]
async fn result_that_nobody_can_follow_is_found_whatever_else_is_there() {
    for world in worlds().await {
        let of = template(
            "routed",
            [
                step("choose", &[]).kind(StepKind::Decision),
                step("left", &["choose"]),
                step("right", &["choose"]),
            ],
        );
        world.stage.on("choose", |_| async { Ok(json!({ "routes": ["left"] })) });
        world.stage.on("left", |_| async { Err::<Value, _>(StepError::permanent("DOWN", "no")) });
        let worker = world.start(&of).await;
        let task = submit(&worker, "test/routed").await;
        settled(&worker, task).await;
        assert_eq!(found(&worker.examine(false).await.unwrap()), [], "{}", world.database);
        world.change("update tasker.steps set result = '{\"routes\": [\"up\"]}' where step = 0").await;
        let examined = worker.examine(false).await.unwrap();
        let unreadable = [(ProblemCode::JournalUnreadable, None, 1)];
        assert_eq!(found(&examined), unreadable, "{}: {:?}", world.database, examined.problems);
    }
}
