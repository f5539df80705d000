//! Many callers at once: what they submit shares commits, and what they wait for comes from memory.

use std::{str::FromStr, time::Duration};

use serde_json::json;
use sqlx::{Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use support::{
    stage::{step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    Tasker,
    api::{Submission, SubmitError, Update, WaitError},
    model::{Json, TaskState},
    template::Template,
};
use uuid::Uuid;

fn plain() -> Template {
    template("plain", [step("a", &[])])
}

fn forked() -> Template {
    template("forked", [step("a", &[]), step("b", &["a"]), step("c", &["a"])])
}

fn order(input: u32) -> Submission {
    Submission::to("test/plain").context(&input).unwrap()
}

fn keyed(key: &str, input: u32) -> Submission {
    order(input).idempotency_key(key)
}

/// What comes of submissions that are made at once.
async fn at_once(
    office: &Tasker,
    orders: impl IntoIterator<Item = Submission>,
) -> Vec<Result<Uuid, SubmitError>> {
    let submit = |order| {
        let office = office.clone();
        tokio::spawn(async move { office.submit(order).await })
    };
    let submitting: Vec<_> = orders.into_iter().map(submit).collect();
    let mut submitted = Vec::new();
    for one in submitting {
        submitted.push(one.await.unwrap());
    }
    submitted
}

async fn tasks(world: &World) -> u64 {
    world.count("select count(*) from tasker.tasks").await
}

#[tokio::test]
async fn submissions_that_arrive_together_share_commits_and_each_gets_its_own_answer() {
    for world in worlds().await {
        let office = world.connect(&plain()).await;
        for with_keys in [false, true] {
            let before = office.stats().submits;
            let orders = (0..300).map(|number| {
                let same = keyed(&format!("key {}", number % 100), number % 100);
                if with_keys { same } else { order(number) }
            });
            let submitted: Vec<Uuid> =
                at_once(&office, orders).await.into_iter().map(Result::unwrap).collect();
            let commits = office.stats().submits - before;
            // How many arrive together is a matter of how fast the machine is beside its disk.
            assert!(commits <= 100, "{}: {commits} commits", world.database);
            for (number, &task) in (0_u32..).zip(&submitted).step_by(50) {
                let context = office.show(task).await.unwrap().unwrap().context;
                let expected = if with_keys { number % 100 } else { number };
                assert_eq!(context, json!(expected), "{}", world.database);
            }
            if with_keys {
                assert_eq!(submitted[..100], submitted[100..200], "{}", world.database);
            }
        }
        assert_eq!(tasks(&world).await, 400, "{}", world.database);
    }
}

#[tokio::test]
async fn submission_the_database_refuses_fails_its_caller_alone() {
    for world in worlds().await {
        let office = world.connect(&plain()).await;
        let poison = Submission::to("test/plain").json(Json::stored("{oops"));
        let plain = (0..40).map(|number| if number == 17 { poison.clone() } else { order(number) });
        let poison = poison.clone().idempotency_key("poison");
        let with_keys = (0..40)
            .map(|number| if number == 3 { poison.clone() } else { keyed(&number.to_string(), number) });
        let (plain, with_keys) = tokio::join!(at_once(&office, plain), at_once(&office, with_keys));
        for (place, submitted) in plain.iter().enumerate() {
            assert_eq!(submitted.is_err(), place == 17, "{}: {place}: {submitted:?}", world.database);
        }
        for (place, submitted) in with_keys.iter().enumerate() {
            assert_eq!(submitted.is_err(), place == 3, "{}: {place}: {submitted:?}", world.database);
        }
        assert_eq!(tasks(&world).await, 78, "{}", world.database);
        let keys = world.count("select count(*) from tasker.idempotency_keys").await;
        assert_eq!(keys, 39, "{}: a key of nothing is free", world.database);
        office.submit(keyed("poison", 1)).await.unwrap();
    }
}

#[tokio::test]
async fn key_that_an_open_transaction_uses_keeps_nobody_else_waiting() {
    for world in worlds().await {
        // A transaction that writes on SQLite keeps everybody waiting.
        if world.database.is_sqlite() {
            continue;
        }
        let office = world.connect(&plain()).await;
        for commit in [false, true] {
            let (taken, free) = (format!("taken {commit}"), format!("free {commit}"));
            let mut connection = PgConnection::connect(&world.database.url).await.unwrap();
            let mut transaction = connection.begin().await.unwrap();
            let inside = office.submit_in(&mut transaction, keyed(&taken, 1)).await.unwrap();
            let waiting = tokio::spawn({
                let (office, taken) = (office.clone(), taken.clone());
                async move { office.submit(keyed(&taken, 1)).await }
            });
            let blocked = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' \
                           and datname = current_database()";
            eventually("one that waits", || async { (world.count(blocked).await > 0).then_some(()) }).await;
            office.submit(keyed(&free, 2)).await.unwrap();
            office.submit(order(3)).await.unwrap();
            assert!(!waiting.is_finished());
            if commit { transaction.commit().await } else { transaction.rollback().await }.unwrap();
            let outside = waiting.await.unwrap().unwrap();
            assert_eq!(outside == inside, commit);
        }
    }
}

#[tokio::test]
async fn task_with_a_key_is_held_from_the_start_as_any_other() {
    for world in worlds().await {
        // Nobody tells it of anything, and nobody polls while time stands still.
        let settings = [("worker.wake", "polling_only")];
        let tasker = world.builder(&settings).template(plain()).start().await.unwrap();
        eventually("the first look", || async { (tasker.stats().claims > 0).then_some(()) }).await;
        let claims = tasker.stats().claims;
        let single = tasker.submit(keyed("one", 1)).await.unwrap();
        let many = tasker.submit_all([keyed("two", 2), order(3), keyed("one", 1)]).await.unwrap();
        assert_eq!(many[2], single, "{}", world.database);
        for task in many {
            assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
        }
        let leases = world.column("select lease from tasker.runs").await;
        assert_eq!((leases, tasker.stats().claims), (vec!["1".to_owned(); 3], claims), "{}", world.database);
        assert_eq!(world.stage.calls().len(), 3, "{}", world.database);
    }
}

#[tokio::test]
async fn many_submissions_with_keys_are_added_all_or_none() {
    for world in worlds().await {
        let office = world.connect(&plain()).await;
        let first = office.submit(keyed("a", 1)).await.unwrap();
        let later = keyed("c", 3).priority(7).delay(Duration::from_secs(60));
        let many = office.submit_all([keyed("b", 2), keyed("a", 1), later, keyed("b", 2)]).await.unwrap();
        assert_eq!((many[1], many[3]), (first, many[0]), "{}", world.database);
        let report = office.show(many[2]).await.unwrap().unwrap();
        assert_eq!(report.priority, 7, "{}", world.database);
        assert_eq!(report.next_at, Some(world.clock.now() + Duration::from_secs(60)), "{}", world.database);
        let refused = office.submit_all([keyed("d", 4), order(5), keyed("b", 9)]).await.unwrap_err();
        match refused {
            SubmitError::KeyReused { key, task } => {
                assert_eq!((&*key, task), ("b", many[0]), "{}", world.database);
            }
            other => panic!("{other}"),
        }
        assert_eq!(tasks(&world).await, 3, "{}: nothing of the last", world.database);
        office.submit(keyed("d", 5)).await.unwrap();
    }
}

/// Submits inside a transaction of the caller's own, which commits or not.
async fn inside(
    world: &World,
    office: &Tasker,
    orders: &[Submission],
    commit: bool,
) -> Vec<Result<Uuid, SubmitError>> {
    let mut submitted = Vec::new();
    if world.database.is_sqlite() {
        let options = SqliteConnectOptions::from_str(&world.database.url).unwrap();
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        for order in orders {
            submitted.push(office.submit_in(&mut transaction, order.clone()).await);
        }
        if commit { transaction.commit().await } else { transaction.rollback().await }.unwrap();
    } else {
        let mut connection = PgConnection::connect(&world.database.url).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        for order in orders {
            submitted.push(office.submit_in(&mut transaction, order.clone()).await);
        }
        if commit { transaction.commit().await } else { transaction.rollback().await }.unwrap();
    }
    submitted
}

#[tokio::test]
async fn keys_inside_a_transaction_are_used_when_and_only_when_it_commits() {
    for world in worlds().await {
        let office = world.connect(&plain()).await;
        let orders = [keyed("k", 1), keyed("k", 1), keyed("k", 2), order(3)];
        for commit in [false, true] {
            let submitted = inside(&world, &office, &orders, commit).await;
            let first = *submitted[0].as_ref().unwrap();
            assert_eq!(*submitted[1].as_ref().unwrap(), first, "{}", world.database);
            let reused = matches!(&submitted[2], Err(SubmitError::KeyReused { task, .. }) if *task == first);
            assert!(reused && submitted[3].is_ok(), "{}: {submitted:?}", world.database);
            assert_eq!(tasks(&world).await, if commit { 2 } else { 0 }, "{}", world.database);
            if commit {
                assert_eq!(office.submit(keyed("k", 1)).await.unwrap(), first, "{}", world.database);
            }
        }
    }
}

#[tokio::test]
async fn result_of_a_task_of_this_process_comes_from_memory() {
    for world in worlds().await {
        let tasker = world.builder(&[]).template(plain()).template(forked()).start().await.unwrap();
        let run = |_| {
            let tasker = tasker.clone();
            tokio::spawn(async move {
                let result: Result<String, WaitError> = tasker.run("test/plain", &()).await;
                result
            })
        };
        for running in (0..20).map(run).collect::<Vec<_>>() {
            assert_eq!(running.await.unwrap().unwrap(), "a", "{}", world.database);
        }
        let both: serde_json::Value = tasker.run("test/forked", &()).await.unwrap();
        assert_eq!(both, json!({"b": "b", "c": "c"}), "{}", world.database);
        assert_eq!(tasker.stats().looks, 0, "{}: nobody asked the database", world.database);
        let gate = world.stage.gate("a");
        let task = tasker.submit(Submission::to("test/forked")).await.unwrap();
        let waiting = tokio::spawn({
            let tasker = tasker.clone();
            async move { tasker.wait(task).await }
        });
        eventually("the first look", || async { (tasker.stats().looks > 0).then_some(()) }).await;
        gate.add_permits(1);
        let outcome = waiting.await.unwrap().unwrap();
        assert_eq!(outcome.result::<serde_json::Value>().unwrap(), both, "{}", world.database);
    }
}

#[tokio::test]
async fn result_of_a_task_of_another_process_is_read() {
    for world in worlds().await {
        let office = world.builder(&[]).template(plain()).template(forked()).connect().await.unwrap();
        let _worker = world.builder(&[]).template(plain()).template(forked()).start().await.unwrap();
        let running = tokio::spawn({
            let office = office.clone();
            async move {
                let result: Result<serde_json::Value, WaitError> = office.run("test/forked", &()).await;
                result
            }
        });
        let moved = || async {
            world.clock.advance(Duration::from_secs(1));
            running.is_finished().then_some(())
        };
        eventually("the result", moved).await;
        assert_eq!(running.await.unwrap().unwrap(), json!({"b": "b", "c": "c"}), "{}", world.database);
        assert!(office.stats().looks > 0, "{}", world.database);
    }
}

#[tokio::test]
async fn updates_of_a_task_end_when_it_is_over() {
    for world in worlds().await {
        let tasker = world.start(&forked()).await;
        let mut watch = tasker.submit_watched(Submission::to("test/forked")).await.unwrap();
        let (mut completed, mut left) = (0, None);
        while let Some(update) = watch.next().await {
            match update {
                Update::Completed { .. } => completed += 1,
                Update::Left { state } => left = Some(state),
                _ => {}
            }
        }
        assert_eq!((completed, left), (3, Some(TaskState::Complete)), "{}", world.database);
        assert!(watch.next().await.is_none(), "{}", world.database);
    }
}
