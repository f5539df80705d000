//! Lists of tasks, page by page.

use std::time::Duration;

use support::{
    stage::{step, template},
    world::{World, settled, worlds},
};
use tasker_runtime::{
    Tasker,
    api::{Cursor, Submission, TaskFilter},
    model::TaskState,
    template::Template,
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
