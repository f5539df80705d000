//! Lists of tasks, page by page.

use std::time::Duration;

use serde_json::{Value, json};
use support::{
    stage::{retried, step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::{Cursor, Submission, TaskFilter, TaskPage},
    model::{Command, Json, TaskState},
    template::{RetryOptions, StepKind, Template},
};
use uuid::Uuid;

fn one() -> Template {
    template("one", [step("a", &[])])
}

fn other() -> Template {
    Template::builder("other").namespace("elsewhere").step(step("b", &[])).build().unwrap()
}

async fn office(world: &World) -> Tasker {
    world.builder(&[]).template(one()).template(other()).connect().await.unwrap()
}

/// The ids of all pages, and how many pages there are.
async fn all(office: &Tasker, filter: TaskFilter) -> (Vec<Uuid>, usize) {
    let (mut tasks, mut pages, mut filter) = (Vec::new(), 0, filter);
    loop {
        let page = office.list(&filter).await.unwrap();
        pages += 1;
        tasks.extend(page.tasks.iter().map(|task| task.task_id));
        match page.next {
            // As text, as a program hands it to its callers.
            Some(cursor) => filter = filter.after(cursor.to_string().parse::<Cursor>().unwrap()),
            None => return (tasks, pages),
        }
    }
}

#[tokio::test]
async fn pages_have_each_task_once_and_the_newest_first() {
    for world in worlds().await {
        let office = office(&world).await;
        let submitted = office.submit_all((0..25).map(|_| Submission::to("test/one"))).await.unwrap();
        let newest_first: Vec<Uuid> = submitted.iter().rev().copied().collect();
        for (limit, expected) in [(1, 25), (7, 4), (25, 1), (1000, 1)] {
            let (tasks, pages) = all(&office, TaskFilter::new().limit(limit)).await;
            assert_eq!((tasks, pages), (newest_first.clone(), expected), "{}: {limit}", world.database);
        }
        let first = office.list(&TaskFilter::new().limit(10)).await.unwrap();
        office.submit(Submission::to("test/one")).await.unwrap();
        let second = office.list(&TaskFilter::new().limit(10).after(first.next.unwrap())).await.unwrap();
        let ids: Vec<Uuid> = second.tasks.iter().map(|task| task.task_id).collect();
        assert_eq!(ids, newest_first[10..20], "{}: a new task moves no page", world.database);
    }
}

#[tokio::test]
async fn what_is_rare_is_found_behind_thousands_of_others() {
    for world in worlds().await {
        let office = office(&world).await;
        let rare = office.submit(Submission::to("elsewhere/other")).await.unwrap();
        for _ in 0..5 {
            office.submit_all((0..1000).map(|_| Submission::to("test/one"))).await.unwrap();
        }
        let (tasks, pages) = all(&office, TaskFilter::new().namespace("elsewhere")).await;
        assert_eq!((tasks, pages), (vec![rare], 1), "{}", world.database);
        let (tasks, _) = all(&office, TaskFilter::new().template("one").limit(4000)).await;
        assert_eq!(tasks.len(), 5000, "{}", world.database);
    }
}

#[tokio::test]
async fn filters_let_through_what_they_say() {
    for world in worlds().await {
        let office = office(&world).await;
        let start = world.clock.now();
        let early = office.submit(Submission::to("test/one").idempotency_key("k")).await.unwrap();
        world.clock.advance(Duration::from_secs(10));
        let marked = Submission::to("elsewhere/other").correlation_id(Uuid::from_u128(9)).priority(4);
        let late = office.submit(marked).await.unwrap();
        let later = start + Duration::from_secs(10);
        let filter = TaskFilter::new;
        for (name, filter, expected) in [
            ("all", filter(), vec![late, early]),
            ("namespace", filter().namespace("test"), vec![early]),
            ("template", filter().template("other"), vec![late]),
            ("whole name", filter().template("elsewhere/other"), vec![late]),
            ("another", filter().template("test/other"), vec![]),
            ("since", filter().created_since(later), vec![late]),
            ("until", filter().created_until(later), vec![early]),
            ("correlation", filter().correlation_id(Uuid::from_u128(9)), vec![late]),
            ("key", filter().idempotency_key("test/one", "k"), vec![early]),
            ("key of another", filter().idempotency_key("elsewhere/other", "k"), vec![]),
            ("pending", filter().state(TaskState::Pending), vec![late, early]),
            ("complete", filter().state(TaskState::Complete), vec![]),
        ] {
            assert_eq!(all(&office, filter).await.0, expected, "{}: {name}", world.database);
        }
        let worker = world.builder(&[]).template(one()).template(other()).start().await.unwrap();
        settled(&worker, late).await;
        settled(&worker, early).await;
        let complete = office.list(&TaskFilter::new().state(TaskState::Complete)).await.unwrap();
        let summary = &complete.tasks[0];
        assert_eq!((complete.tasks.len(), summary.task_id), (2, late), "{}", world.database);
        assert_eq!((summary.priority, &*summary.queue), (4, "elsewhere"), "{}", world.database);
        assert_eq!(summary.correlation_id, Uuid::from_u128(9), "{}", world.database);
        assert!(summary.worker.is_some() && summary.finished_at.is_some(), "{}", world.database);
    }
}

/// Fails with `DOWN` where the context says so, and once with `SLOW` where it says that.
fn failing() -> Template {
    let slow = RetryOptions { max_attempts: Some(2), base: Some(DAY), ..RetryOptions::default() };
    template(
        "failing",
        [step("first", &[]), retried(step("call", &["first"]), slow), step("last", &["call"])],
    )
}

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn tasks_are_found_by_the_error_they_stand_at_and_by_the_step_they_wait_for() {
    for world in worlds().await {
        world.stage.on("call", |step| async move {
            match step.context::<String>()?.as_str() {
                "down" => Err(StepError::permanent("DOWN", "no \u{0}")),
                "slow" if step.attempt() == 1 => Err(StepError::retryable("SLOW", "later")),
                _ => Ok(Value::Null),
            }
        });
        let worker = world.start(&failing()).await;
        let mut tasks = Vec::new();
        for context in ["down", "slow", "fine", "down", "down"] {
            let task = worker.submit(Submission::to("test/failing").context(context).unwrap()).await.unwrap();
            world.stage.wait_for("call", tasks.len() + 1).await;
            tasks.push(task);
        }
        let [down, slow, fine, resolved, over] = tasks[..] else { panic!("five tasks") };
        for task in [down, fine, resolved, over] {
            settled(&worker, task).await;
        }
        let waits =
            || async { (worker.show(slow).await.unwrap()?.state == TaskState::Waiting).then_some(()) };
        eventually("the wait for a retry", waits).await;
        let given = Command::Resolve { step: "call".to_owned(), result: Json::null() };
        worker.operate(resolved, &given).await.unwrap();
        settled(&worker, resolved).await;
        worker.operate(over, &Command::GiveUp).await.unwrap();
        let filter = TaskFilter::new;
        for (name, filter, expected) in [
            ("error", filter().error_code("DOWN"), vec![over, down]),
            ("open with an error", filter().error_code("DOWN").open(), vec![down]),
            ("error before a retry", filter().error_code("SLOW"), vec![slow]),
            ("no such error", filter().error_code("down"), vec![]),
            ("step", filter().waiting_for("call"), vec![slow, down]),
            ("step that has its result", filter().waiting_for("first"), vec![]),
            ("step whose turn has not come", filter().waiting_for("last"), vec![]),
            ("no such step", filter().waiting_for("calls"), vec![]),
            ("both", filter().waiting_for("call").error_code("SLOW"), vec![slow]),
            ("one to a page", filter().waiting_for("call").limit(1), vec![slow, down]),
        ] {
            assert_eq!(all(&worker, filter).await.0, expected, "{}: {name}", world.database);
        }
        // Whatever the jitter.
        world.clock.advance(2 * DAY);
        settled(&worker, slow).await;
        let none = all(&worker, filter().error_code("SLOW")).await.0;
        assert!(none.is_empty(), "{}: a retry has mended it", world.database);
    }
}

#[tokio::test]
async fn batch_is_waited_for_as_a_whole_and_by_its_instances() {
    let template = template(
        "cut",
        [
            step("cut", &[]).kind(StepKind::Batchable),
            step("work", &["cut"]).kind(StepKind::BatchWorker),
            step("end", &["work"]).kind(StepKind::DeferredConvergence),
        ],
    );
    for world in worlds().await {
        world.stage.on("cut", |_| async {
            Ok(json!({ "batches": [{ "start": 0, "end": 1, "items": 1 }, { "start": 1, "end": 2, "items": 1 }] }))
        });
        world.stage.on("work_001", |_| async { Ok(Value::Null) });
        world.stage.on("work_002", |_| async { Err(StepError::permanent("DOWN", "no")) });
        let worker = world.start(&template).await;
        let task = worker.submit(Submission::to("test/cut")).await.unwrap();
        settled(&worker, task).await;
        for (step, expected) in [("work", 1), ("work_001", 0), ("work_002", 1), ("cut", 0), ("end", 0)] {
            let found = all(&worker, TaskFilter::new().waiting_for(step)).await.0;
            assert_eq!(found.len(), expected, "{}: {step}", world.database);
        }
    }
}

#[tokio::test]
async fn page_that_would_read_too_much_says_that_it_is_incomplete() {
    for world in worlds().await {
        let office = office(&world).await;
        let start = world.clock.now();
        let rare = office.submit(Submission::to("elsewhere/other")).await.unwrap();
        world.clock.advance(DAY);
        for _ in 0..21 {
            office.submit_all((0..1000).map(|_| Submission::to("test/one"))).await.unwrap();
        }
        let page = async |filter: TaskFilter| office.list(&filter).await.unwrap();
        let ids = |page: &TaskPage| page.tasks.iter().map(|task| task.task_id).collect::<Vec<_>>();
        let first = page(TaskFilter::new().namespace("elsewhere")).await;
        assert!(first.tasks.is_empty() && first.incomplete, "{}: 20,000 are enough", world.database);
        let second = page(TaskFilter::new().namespace("elsewhere").after(first.next.unwrap())).await;
        assert_eq!((ids(&second), second.incomplete), (vec![rare], false), "{}", world.database);
        let full = page(TaskFilter::new().limit(10)).await;
        assert!(full.next.is_some() && !full.incomplete, "{}: a page that is full", world.database);
        let waiting = page(TaskFilter::new().waiting_for("a").template("one").limit(10_000)).await;
        assert_eq!((waiting.tasks.len(), waiting.incomplete), (1000, true), "{}", world.database);
        let early = page(TaskFilter::new().created_until(start + Duration::from_secs(1))).await;
        assert_eq!((ids(&early), early.incomplete), (vec![rare], false), "{}: at once", world.database);
        let late = page(TaskFilter::new().created_since(world.clock.now() + DAY)).await;
        assert!(late.tasks.is_empty() && late.next.is_none(), "{}: what is older is left", world.database);
    }
}
