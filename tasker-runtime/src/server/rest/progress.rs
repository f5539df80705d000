//! What happens to a task, as it happens.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Extension,
    body::{Body, Bytes, HttpBody},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::IntoResponse,
};
use hyper::body::Frame;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::{
    sync::mpsc,
    time::{Instant, interval_at, sleep},
};
use uuid::Uuid;

use crate::{
    api::TaskReport,
    server::{
        Service,
        auth::Caller,
        extract::{Query, TaskId},
        live::Seen,
        pace::Peer,
        problem::{Answer, Problem},
        wire::{Include, Steps, Task},
    },
};

/// How long a stream may be open. Whoever still wants to know comes again.
const LIFE: Duration = Duration::from_secs(30 * 60);
/// So often something is said, so that nobody on the way takes the stream for dead.
const COMMENT: Duration = Duration::from_secs(15);
/// So much is said first, for those on the way who fill a buffer before they pass anything on.
const PADDING: usize = 2048;
/// So many events wait to be sent; what happens meanwhile is in the next ones.
const WAITING: usize = 4;

/// What somebody knows of a task who has read the stream so far.
struct Told {
    /// The digest of all of it.
    id: String,
    /// The document without steps, and each step by its name.
    head: String,
    steps: HashMap<String, String>,
}

/// A document in one line: line breaks in JSON stand between its parts only.
fn line<T: Serialize>(document: &T) -> String {
    serde_json::to_string(document).unwrap_or_default().replace(['\n', '\r'], " ")
}

fn event(name: &str, id: Option<&str>, data: &str) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n").into()
}

impl Told {
    /// The report as whoever asks may see it, and what they know then.
    fn of(report: &TaskReport, caller: &Caller) -> (Self, String) {
        let whole = Task::of(report.clone(), Include::default(), caller);
        let steps = whole.named_steps().map(|(name, step)| (name, line(step))).collect();
        let bare = Include { context: false, steps: Steps::None, ..Include::default() };
        let head = line(&Task::of(report.clone(), bare, caller));
        let text = line(&whole);
        let digest = Sha256::digest(text.as_bytes());
        let id = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        (Self { id, head, steps }, text)
    }

    /// What to say to somebody who knew this, so that they know that.
    fn events(&self, before: &Self) -> Vec<Bytes> {
        let changed = self.steps.iter().filter(|(name, step)| before.steps.get(*name) != Some(step));
        let mut events: Vec<(&str, &str)> = changed.map(|(_, step)| ("step", &**step)).collect();
        events.sort_unstable();
        if self.head != before.head {
            events.push(("task", &self.head));
        }
        let last = events.len().saturating_sub(1);
        let written = |(at, (name, data)): (usize, &(&str, &str))| {
            // Who comes again from there knows all of it.
            event(name, (at == last).then_some(&*self.id), data)
        };
        events.iter().enumerate().map(written).collect()
    }
}

/// Who listens, and by what they were let in.
struct Listener {
    service: Service,
    caller: Caller,
    headers: HeaderMap,
    peer: Option<IpAddr>,
    /// What they say they know.
    known: Option<String>,
    events: mpsc::Sender<Bytes>,
}

impl Listener {
    /// Says what happens until the task is over or the stream has to end; why.
    async fn follow(&self, task: Uuid) -> Option<&'static str> {
        let service = &self.service;
        let mut seen = service.0.live.watch(task);
        let mut updates = service.tasker().watch(task);
        let mut comments = interval_at(Instant::now() + COMMENT, COMMENT);
        let mut end = std::pin::pin!(sleep(LIFE));
        let mut told: Option<Told> = None;
        loop {
            let now = seen.borrow_and_update().clone();
            match now {
                Seen::Unknown => {}
                Seen::Gone => return Some("gone"),
                Seen::Report(report) => {
                    told = Some(self.tell(&report, told).await?);
                    if report.state.is_final() {
                        return Some("over");
                    }
                }
            }
            tokio::select! {
                changed = seen.changed() => changed.ok()?,
                Some(_) = updates.next() => service.0.live.look_at(task),
                () = service.0.closing.cancelled() => return Some("draining"),
                () = &mut end => return Some("limit"),
                _ = comments.tick() => {
                    if self.is_shut_out().await {
                        return Some("credentials");
                    }
                    self.events.send(Bytes::from_static(b":\n\n")).await.ok()?;
                }
            }
        }
    }

    /// Says what is new; what is known then, unless nobody listens any more.
    async fn tell(&self, report: &TaskReport, before: Option<Told>) -> Option<Told> {
        let (told, text) = Told::of(report, &self.caller);
        let events = match &before {
            Some(before) => told.events(before),
            None if self.known.as_ref() == Some(&told.id) => Vec::new(),
            None => vec![event("snapshot", Some(&told.id), &text)],
        };
        for event in events {
            self.events.send(event).await.ok()?;
        }
        Some(told)
    }

    /// Whether the credential is good no longer. A database that is away says nothing of that.
    async fn is_shut_out(&self) -> bool {
        let caller = self.service.caller(&self.headers, self.peer).await;
        caller.is_err_and(|problem| problem.denial().is_some())
    }
}

/// A body that is written while it is sent. Nothing goes on once nobody reads it.
struct Written {
    writer: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    events: mpsc::Receiver<Bytes>,
}

impl HttpBody for Written {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(writer) = &mut self.writer
            && writer.as_mut().poll(context).is_ready()
        {
            self.writer = None;
        }
        self.events.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

/// Follow a task as it goes on
///
/// A stream of events (`text/event-stream`): `snapshot` (the task), `step` (a step that is not as it was), `task` (the
/// task without context and steps, when it is not as it was), and `bye` with the reason: `over`, `draining`, `limit`
/// after 30 minutes, `credentials`, `gone`. Whoever comes again with `Last-Event-ID` gets a snapshot only where
/// something has happened since.
#[utoipa::path(get, path = "/v1/tasks/{id}/progress", tag = "tasks", operation_id = "follow_task", params(
    ("id" = String, Path, description = "The id of the task."),
    ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that was read.")),
    responses(
        (status = 200, description = "The events.", body = String, content_type = "text/event-stream"),
        (status = 204, description = "The task is over, and everything is known.")))]
pub(super) async fn follow_task(
    State(service): State<Service>,
    caller: Caller,
    TaskId(task): TaskId,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    query: Query,
) -> Answer {
    query.finish()?;
    let report = service.tasker().show(task).await?.ok_or_else(|| Problem::no_such_task(task))?;
    let known = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    if report.state.is_final() && known.as_ref() == Some(&Told::of(&report, &caller).0.id) {
        // Browsers do not come again after this.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = service.0.live.place(caller.key.as_deref().or(caller.name.as_deref()))?;
    let (sender, events) = mpsc::channel(WAITING);
    let peer = peer.map(|Extension(peer)| peer.0);
    let listener = Listener { service, caller, headers, peer, known, events: sender };
    let retry = fastrand::u64(1000..=3000);
    let hello = Bytes::from(format!(":{}\nretry: {retry}\n\n", " ".repeat(PADDING)));
    let writer = async move {
        let _place = place;
        if listener.events.send(hello).await.is_err() {
            return;
        }
        if let Some(reason) = listener.follow(task).await {
            let bye = event("bye", None, &format!(r#"{{"reason":"{reason}"}}"#));
            // Whoever is gone needs no goodbye.
            let _ = listener.events.send(bye).await;
        }
    };
    let body = Body::new(Written { writer: Some(Box::pin(writer)), events });
    let said = |value| HeaderValue::from_static(value);
    let kind = [
        (header::CONTENT_TYPE, said("text/event-stream")),
        (header::CACHE_CONTROL, said("no-store")),
        (HeaderName::from_static("x-accel-buffering"), said("no")),
    ];
    Ok((StatusCode::OK, kind, body).into_response())
}
