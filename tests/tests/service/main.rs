//! The HTTP service, over a real socket, on both stores.
#![allow(clippy::unwrap_used, clippy::panic)]

mod commands;
mod contract;
mod drain;
mod keys;
mod lists;
mod matrix;
mod measured;
mod progress;
mod refused;
mod shown;
mod submitted;
mod tokens;

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use support::{
    http::{self, Answer},
    stage::{retried, step, template},
    world::World,
};
use tasker_runtime::{
    Tasker,
    config::Config,
    server::{Options, Server},
    template::{RetryOptions, Step, Template},
};
use tokio::{sync::oneshot, task::JoinHandle};

/// A service on an engine of its own.
pub(crate) struct Served {
    pub address: SocketAddr,
    pub tasker: Tasker,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Served {
    /// A running engine with this template, and its service.
    pub(crate) async fn start(world: &World, template: &Template) -> Self {
        Self::with(world.start(template).await, Duration::ZERO).await
    }

    pub(crate) async fn with(tasker: Tasker, drain_delay: Duration) -> Self {
        Self::at("127.0.0.1:0", tasker, drain_delay, &Config::default()).await
    }

    /// One that other machines can reach.
    pub(crate) async fn exposed(tasker: Tasker) -> Self {
        Self::at("0.0.0.0:0", tasker, Duration::ZERO, &Config::default()).await
    }

    pub(crate) async fn at(listen: &str, tasker: Tasker, drain_delay: Duration, config: &Config) -> Self {
        let mut options = Options::of(config);
        options.drain_delay = drain_delay;
        let server = Server::bind(listen, options).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let (address, handle) = (SocketAddr::from(([127, 0, 0, 1], server.address().port())), tasker.clone());
        let serving = tokio::spawn(async move {
            let end = async { drop(stopped.await) };
            server.serve(&handle, end).await;
        });
        Self { address, tasker, stop, serving }
    }

    pub(crate) async fn send(&self, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        http::send(self.address, request, headers, body).await
    }

    /// The same with a key.
    pub(crate) async fn by(&self, key: &str, request: &str, body: &str) -> Answer {
        self.send(request, &[("authorization", &format!("Bearer {key}"))], body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(&format!("POST {path}"), &[], body).await
    }

    /// The document of a page, which is there.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// Submits a task of the template `test/{name}` and waits until it rests; its id.
    pub(crate) async fn rested(&self, name: &str, context: &str) -> String {
        let body = format!(r#"{{"template": "test/{name}", "context": {context}}}"#);
        let answer = self.send("POST /v1/tasks", &[("prefer", "wait=30")], &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["task_id"].as_str().unwrap().to_owned()
    }

    /// Tells the service to stop, and returns what ends once it has.
    pub(crate) fn stop(self) -> (JoinHandle<()>, Tasker) {
        let _ = self.stop.send(());
        (self.serving, self.tasker)
    }
}

/// A step that is called once, or as often as operators allow.
pub(crate) fn once(name: &str, after: &[&str]) -> Step {
    retried(step(name, after), RetryOptions { max_attempts: Some(1), ..RetryOptions::default() })
}

/// `bad`, which fails for good where the stage says so, and what comes after it.
pub(crate) fn broken() -> Template {
    template("broken", [once("bad", &[]), step("after", &["bad"]), step("aside", &[])])
}
