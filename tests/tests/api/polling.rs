//! The example of a workflow that asks a server until it is done.

use std::time::Duration;

use handlers::table_export::table_export;
use serde_json::json;
use support::{
    databases,
    world::{START, eventually},
};
use tasker_runtime::{Tasker, api::Submission, clock::Clock, model::TaskState, registry::Registry};

use super::{
    client,
    server::{Reply, Server},
};

#[tokio::test(flavor = "multi_thread")]
async fn server_is_asked_until_it_is_done_whoever_asks() {
    for database in databases().await {
        // Begun, busy, away for a moment, busy and idle for eight rounds, done.
        let server = Server::start(|seen, before| match (&*seen.method, before) {
            ("POST", _) => Reply::json(&json!({"id": "e7"})),
            (_, 2) => Reply::status(503),
            (_, 0..=3) => Reply::json(&json!({"done": false, "rows": before * 100})),
            (_, 4..=11) => Reply::json(&json!({"done": false, "rows": 300})),
            _ => Reply::json(&json!({"done": true, "rows": 1_000})),
        })
        .await;
        let clock = Clock::manual(START);
        let builder = || {
            let section = format!("[api.exports]\nbase_url = '{}'", server.url());
            let builder = Tasker::builder().database(&database.url).registry(Registry::discover());
            builder.template(table_export.template().unwrap()).state(client(&section)).clock(clock.clone())
        };
        let first = builder().partial(true).start().await.unwrap();
        let submission = Submission::to("shop/table_export").context(&json!({"table": "orders"})).unwrap();
        let task = first.submit(submission).await.unwrap();
        // Time passes, and half way another process goes on.
        let asked = async |times: usize| {
            let look = || async {
                clock.advance(Duration::from_secs(1));
                (server.seen().len() >= times).then_some(())
            };
            eventually("the server to be asked", look).await;
        };
        asked(5).await;
        first.stop().await.unwrap();
        let second = builder().partial(true).start().await.unwrap();
        let look = || async {
            clock.advance(Duration::from_secs(1));
            let report = second.show(task).await.unwrap().unwrap();
            report.state.is_final().then_some(report)
        };
        let report = eventually("the end", look).await;
        assert_eq!(
            (report.state, &report.result),
            (TaskState::Complete, &json!("1000 rows of orders")),
            "{database}"
        );
        let step = report.step("export_wait").unwrap();
        // Of the answers to `GET` the one that said nothing was an attempt more, and no round.
        let (rounds, asked) = (step.round.as_ref().unwrap(), server.seen().len() - 1);
        assert_eq!((rounds.number as usize, step.attempts as usize), (asked - 1, asked), "{database}");
        assert_eq!(rounds.state.to_value(), json!({"rows": 300, "idle": 8}), "{database}");
        let between = clock.now().since(report.created_at);
        assert!(between >= Duration::from_secs(3 * 10 + 5 * 10 + 3 * 60), "{database}: {between:?}");
        second.stop().await.unwrap();
    }
}
