//! Handlers that keep the threads of their runtime busy keep no lease from being renewed.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use serde_json::json;
use support::{
    stage::{step, template},
    world::{eventually, worlds},
};
use tasker_runtime::api::Submission;

#[tokio::test]
async fn process_whose_threads_are_all_blocked_by_a_handler_keeps_its_leases() {
    let template = template("busy", [step("a", &[])]);
    for world in worlds().await {
        let (go, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        world.stage.on("a", move |_| {
            let wait = wait.clone();
            async move {
                // The one thread of its process does nothing else.
                let _ = wait.lock().unwrap().recv();
                Ok(json!("done"))
            }
        });
        let busy = world.process(&template).await;
        let task = busy.submit(Submission::to("test/busy")).await;
        world.stage.wait_for("a", 1).await;
        let other = world.start(&template).await;
        for _ in 0..40 {
            world.clock.advance(Duration::from_secs(1));
            let lately = world.clock.now().as_micros() - 9_000_000;
            let sql = format!("select count(*) from tasker.workers where id = 1 and seen_at >= {lately}");
            let seen = || async { (world.count(&sql).await == 1).then_some(()) };
            eventually("a sign of life of the busy process", seen).await;
        }
        assert_eq!(world.stage.called(), ["a 1"], "{}: nobody took it over", world.database);
        go.send(()).unwrap();
        let over = || async {
            world.clock.advance(Duration::from_millis(200));
            other.show(task).await.unwrap().filter(|report| report.state.is_final())
        };
        assert_eq!(eventually("the end", over).await.result, json!("done"), "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1"], "{}", world.database);
        other.stop().await.unwrap();
        busy.kill();
    }
}
