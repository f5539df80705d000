//! A service that stops answers those who wait, and leaves nothing behind.

use std::time::Duration;

use serde_json::json;
use support::{
    http,
    stage::{step, template},
    world::{eventually, worlds},
};
use tokio::net::TcpStream;

use crate::Served;

#[tokio::test]
async fn who_waits_is_answered_when_the_service_stops_and_the_engine_stops_after_it() {
    for world in worlds().await {
        let _shut = world.stage.gate("only");
        let tasker =
            world.builder(&[("worker.drain_seconds", "0")]).template(template("plain", [step("only", &[])]));
        let served = Served::with(tasker.start().await.unwrap(), Duration::ZERO).await;
        let address = served.address;
        let waiting = tokio::spawn(async move {
            let wait = [("prefer", "wait=60")];
            http::send(address, "POST /v1/tasks", &wait, r#"{"template": "plain"}"#).await
        });
        world.stage.wait_for("only", 1).await;
        // A connection that says nothing must not hold anything up.
        let silent = TcpStream::connect(address).await.unwrap();
        let (serving, tasker) = served.stop();
        let answer = waiting.await.unwrap();
        assert_eq!((answer.status, &answer.json()["state"]), (202, &json!("in_progress")), "{answer:?}");
        tokio::time::timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "{}: nobody listens any more", world.database);
        drop(silent);
        // The last handle is this one: the engine stops, and its worker leaves.
        tasker.stop().await.unwrap();
        let workers = world.count("select count(*) from tasker.workers where stopped_at is null").await;
        assert_eq!(workers, 0, "{}", world.database);
    }
}

#[tokio::test]
async fn service_that_is_to_stop_says_so_and_serves_as_before() {
    for world in worlds().await {
        let tasker = world.connect(&template("plain", [step("only", &[])])).await;
        let served = Served::with(tasker, Duration::from_secs(3600)).await;
        let address = served.address;
        let ready = |wanted: u16| async move {
            let answer = http::send(address, "GET /health/ready", &[], "").await;
            (answer.status == wanted).then_some(())
        };
        eventually("the service to be ready", || ready(200)).await;
        assert_eq!(served.get("/health/started").await.status, 200);
        assert_eq!(served.read("/health").await["state"], "ok", "{}", world.database);
        let (serving, _tasker) = served.stop();
        eventually("the service to say that it is to stop", || ready(503)).await;
        assert_eq!(http::send(address, "GET /health/live", &[], "").await.status, 200);
        let health = http::send(address, "GET /health", &[], "").await;
        assert_eq!((health.status, &health.json()["draining"]), (200, &json!(true)), "{health:?}");
        let body = r#"{"template": "plain"}"#;
        assert_eq!(http::send(address, "POST /v1/tasks", &[], body).await.status, 201, "{}", world.database);
        serving.abort();
    }
}
