//! What happens to a task is told as it happens.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use support::{
    stage::{step, template},
    world::{World, worlds},
};
use tasker_runtime::{api::NewKey, template::Template};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::Served;

/// A stream that is read event by event.
struct Stream(BufReader<TcpStream>, String);

/// An event: its name, its id, its data.
type Event = (String, String, Value);

impl Stream {
    async fn open(address: SocketAddr, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut read = Self(BufReader::new(stream), String::new());
        let head = read.until("").await;
        assert!(head[0].contains(" 200 "), "{head:?}");
        assert!(head.iter().any(|line| line == "content-type: text/event-stream"), "{head:?}");
        assert!(head.iter().any(|line| line == "x-accel-buffering: no"), "{head:?}");
        read
    }

    /// The lines before the next one that is this.
    async fn until(&mut self, end: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            self.1.clear();
            let read = tokio::time::timeout(Duration::from_secs(60), self.0.read_line(&mut self.1)).await;
            assert!(read.unwrap().unwrap() > 0, "it ended: {lines:?}");
            let line = self.1.trim_end_matches(['\r', '\n']).to_owned();
            if line == end {
                return lines;
            }
            lines.push(line);
        }
    }

    async fn next(&mut self) -> Event {
        loop {
            let lines = self.until("").await;
            let field = |name: &str| {
                let of = lines.iter().find_map(|line| line.strip_prefix(name));
                of.unwrap_or_default().to_owned()
            };
            if !field("event: ").is_empty() {
                return (field("event: "), field("id: "), field("data: ").parse().unwrap());
            }
        }
    }

    /// All events until the stream says goodbye, and nothing after that.
    async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while events.last().is_none_or(|(name, ..): &Event| name != "bye") {
            events.push(self.next().await);
        }
        let mut rest = String::new();
        let end = tokio::time::timeout(Duration::from_secs(60), self.0.read_to_string(&mut rest)).await;
        end.unwrap().unwrap();
        assert!(!rest.contains("event"), "{rest}");
        events
    }
}

fn two() -> Template {
    template("two", [step("first", &[]), step("second", &["first"])])
}

const CLOSE: &str = "connection: close\r\n";

async fn submitted(served: &Served) -> String {
    let answer = served.post("/v1/tasks", r#"{"template": "two", "context": {"card": "secret"}}"#).await;
    answer.header("location").unwrap().to_owned()
}

/// What the events say of the steps and of the task, in their order, each once.
fn told(events: &[Event]) -> (Vec<(String, String)>, Vec<String>) {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let of = |wanted: &'static str| events.iter().filter(move |(name, ..)| name == wanted);
    let steps = of("step").map(|(.., data)| (text(data, "name"), text(data, "state"))).collect();
    let mut states: Vec<String> = of("task").map(|(.., data)| text(data, "state")).collect();
    states.dedup();
    (steps, states)
}

#[tokio::test]
async fn stream_tells_each_step_and_the_end_whoever_runs_the_task() {
    for world in worlds().await {
        for own in [true, false] {
            let gate = world.stage.gate("first");
            let engine = world.start(&two()).await;
            let tasker = if own { engine.clone() } else { world.connect(&two()).await };
            let served = Served::with(tasker, Duration::ZERO).await;
            let path = submitted(&served).await;
            let mut stream = Stream::open(served.address, &format!("{path}/progress"), CLOSE).await;
            let (name, id, snapshot) = stream.next().await;
            assert_eq!((&*name, &snapshot["steps"][0]["name"]), ("snapshot", &json!("first")), "{snapshot}");
            assert!(!id.is_empty() && snapshot["context"] == json!({"card": "secret"}), "{snapshot}");
            gate.add_permits(1);
            // Another process looks for work now and then, by the clock of this world.
            let clock = world.clock.clone();
            let ticking = tokio::spawn(async move {
                loop {
                    clock.advance(Duration::from_millis(100));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
            let events = stream.rest().await;
            ticking.abort();
            let (steps, states) = told(&events);
            for step in ["first", "second"] {
                let complete = (step.to_owned(), "complete".to_owned());
                assert!(steps.contains(&complete), "{} own {own}: {events:?}", world.database);
            }
            assert_eq!(states.last().map(String::as_str), Some("complete"), "{}: {events:?}", world.database);
            let task = events.iter().rfind(|(name, ..)| name == "task").unwrap();
            assert!(task.2.get("steps").is_none() && task.2["result"] == "second", "{task:?}");
            assert_eq!(events.last().unwrap().2, json!({"reason": "over"}), "{}", world.database);
            // Who knows all of it is told that there is nothing more.
            let last = task.1.clone();
            let again = [("last-event-id", &*last)];
            let again = served.send(&format!("GET {path}/progress"), &again, "").await;
            assert_eq!(again.status, 204, "{} own {own}: {again:?}", world.database);
            let old = [("last-event-id", &*id)];
            let old = served.send(&format!("GET {path}/progress"), &old, "").await;
            assert!(
                old.body.contains("event: snapshot") && old.body.contains(r#"{"reason":"over"}"#),
                "{old:?}"
            );
            let (serving, tasker) = served.stop();
            serving.await.unwrap();
            drop(tasker);
            engine.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn who_knows_what_is_so_gets_no_snapshot_and_is_told_what_follows() {
    for world in worlds().await {
        let gate = world.stage.gate("first");
        let served = Served::start(&world, &two()).await;
        let path = submitted(&served).await;
        world.stage.wait_for("first", 1).await;
        let (_, id, _) = Stream::open(served.address, &format!("{path}/progress"), CLOSE).await.next().await;
        let known = format!("{CLOSE}last-event-id: {id}\r\n");
        let stream = Stream::open(served.address, &format!("{path}/progress"), &known).await;
        gate.add_permits(1);
        let events = stream.rest().await;
        assert!(events.iter().all(|(name, ..)| name != "snapshot"), "{}: {events:?}", world.database);
        assert_eq!(told(&events).1.last().map(String::as_str), Some("complete"), "{}", world.database);
    }
}

#[tokio::test]
async fn streams_end_with_the_service_and_the_engine_stops_after_them() {
    for world in worlds().await {
        let _shut = world.stage.gate("first");
        let builder = world.builder(&[("worker.drain_seconds", "0")]).template(two());
        let served = Served::with(builder.start().await.unwrap(), Duration::ZERO).await;
        let path = submitted(&served).await;
        let mut streams = Vec::new();
        for _ in 0..20 {
            let mut stream = Stream::open(served.address, &format!("{path}/progress"), "").await;
            assert_eq!(stream.next().await.0, "snapshot");
            streams.push(stream);
        }
        let (serving, tasker) = served.stop();
        for stream in streams {
            let events = stream.rest().await;
            assert_eq!(events.last().unwrap().2, json!({"reason": "draining"}), "{}", world.database);
        }
        tokio::time::timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
        tasker.stop().await.unwrap();
        let workers = world.count("select count(*) from tasker.workers where stopped_at is null").await;
        assert_eq!(workers, 0, "{}: nothing holds the engine", world.database);
    }
}

async fn hidden(world: &World) -> Vec<Event> {
    let gate = world.stage.gate("first");
    let served = Served::start(world, &two()).await;
    let path = submitted(&served).await;
    let key = NewKey::that_never_expires("reader").permission("tasks:read");
    let key = served.tasker.keys().create(key).await.unwrap().secret().to_owned();
    world.clock.advance(Duration::from_secs(5));
    let header = format!("{CLOSE}x-api-key: {key}\r\n");
    let stream = Stream::open(served.address, &format!("{path}/progress"), &header).await;
    gate.add_permits(1);
    stream.rest().await
}

#[tokio::test]
async fn stream_hides_payloads_from_those_who_may_not_see_them() {
    for world in worlds().await {
        world.stage.on("second", |_| async { Ok(json!("secret")) });
        let events = hidden(&world).await;
        assert!(!format!("{events:?}").contains("secret"), "{}: {events:?}", world.database);
        let (name, _, data) = &events[0];
        assert_eq!((&**name, &data["context"]), ("snapshot", &json!({"hidden": "payload"})), "{data}");
    }
}
