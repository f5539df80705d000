//! What every request passes before and after its route.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::{
    Service,
    auth::{
        Caller,
        table::{self, Need},
    },
    extract,
    pace::Peer,
    problem::{Answer, Code, Problem, REQUEST_ID},
    refusals,
};

/// The longest path with its query, in bytes.
const MAX_PATH: usize = 8 << 10;
/// The most bytes and the most lines of headers.
const MAX_HEADERS: usize = 16 << 10;
const MAX_HEADER_LINES: usize = 100;
/// How long an answer may take, besides what the request wants to wait.
const ANSWER: Duration = Duration::from_secs(30);
/// From here on a request is slow, and the log says so.
const SLOW: Duration = Duration::from_secs(1);

/// Refuses what must not come further, and sees that whatever comes of the rest is an answer with the id of the
/// request.
pub(super) async fn guard(State(service): State<Service>, request: Request, next: Next) -> Response {
    let (id, begun) = (Uuid::now_v7(), Instant::now());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let limit = ANSWER + extract::wait(request.headers()).unwrap_or_default();
    let answered = caught(answer(&service, request, route.as_ref(), next));
    let mut response = match tokio::time::timeout(limit, answered).await {
        Ok(Some(response)) => response,
        Ok(None) => Problem::internal(&"the route panicked").into_response(),
        Err(_) => {
            let detail = format!("there was no answer within {} s", limit.as_secs());
            Problem::new(Code::QueryTooSlow, detail).after(5).into_response()
        }
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        problem.lack().into_iter().for_each(|reason| service.0.metrics.note_shed(reason));
        *response.body_mut() = problem.written(id);
    }
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    service.0.metrics.note(route.as_ref().map(MatchedPath::as_str), &method, status, took);
    if status >= 500 || took >= SLOW {
        tracing::info!(request_id = %id, status, ?took, "{method} {path}");
    } else {
        tracing::debug!(request_id = %id, status, ?took, "{method} {path}");
    }
    response
}

/// The answer of the route, or why the request does not come there.
async fn answer(service: &Service, request: Request, route: Option<&MatchedPath>, next: Next) -> Response {
    // It is given back once the request is answered.
    let _permit = match admit(service, &request) {
        Ok(permit) => permit,
        Err(problem) => return problem.into_response(),
    };
    let (mut parts, body) = request.into_parts();
    match authorize(service, &parts, route.map(MatchedPath::as_str)).await {
        Ok(caller) => drop(parts.extensions.insert(caller)),
        Err(problem) => return problem.into_response(),
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Who asks, where they may ask this.
async fn authorize(service: &Service, request: &Parts, route: Option<&str>) -> Answer<Caller> {
    let (auth, headers) = (&service.0.auth, &request.headers);
    let need = match table::need(&request.method, route) {
        Need::Elsewhere(_) if !auth.is_exposed() => Need::Nothing,
        Need::Elsewhere(permission) => Need::One(permission),
        need => need,
    };
    let caller = match need {
        Need::Nothing => Caller::anybody(),
        _ => service.caller(headers, request.extensions.get::<Peer>().map(|peer| peer.0)).await?,
    };
    if !auth.asks() && !names_this_machine(headers) {
        let detail = "the header `Host` has to name this machine: localhost, 127.0.0.1 or [::1]";
        return Err(Problem::new(Code::HostNotAllowed, detail));
    }
    match need {
        Need::Nothing | Need::Credential => {}
        Need::One(permission) | Need::Elsewhere(permission) => caller.need(permission)?,
        Need::All(permissions) => permissions.iter().try_for_each(|permission| caller.need(*permission))?,
    }
    if let (Some(_), Some(task)) = (&caller.namespaces, task_of(route, request.uri.path())) {
        let namespace = service.tasker().namespace_of(task).await?;
        if !namespace.is_some_and(|namespace| caller.sees(&namespace)) {
            return Err(Problem::no_such_task(task));
        }
    }
    Ok(caller)
}

/// The task that a path is about. What is no id is told by the route.
fn task_of(route: Option<&str>, path: &str) -> Option<Uuid> {
    route.filter(|route| route.starts_with("/v1/tasks/{id}"))?;
    path.split('/').nth(3)?.parse().ok()
}

/// The answer of a route; `None` when it panicked.
async fn caught(route: impl Future<Output = Response>) -> Option<Response> {
    let mut route = pin!(route);
    std::future::poll_fn(|context| {
        // After a panic it is not polled again.
        catch_unwind(AssertUnwindSafe(|| route.as_mut().poll(context)))
            .map_or(Poll::Ready(None), |poll| poll.map(Some))
    })
    .await
}

/// Whether a request may come to its route, and the permit it holds meanwhile.
fn admit(service: &Service, request: &Request) -> Answer<Option<OwnedSemaphorePermit>> {
    let (path, headers) = (request.uri().path(), request.headers());
    if request.uri().path_and_query().map_or(0, |path| path.as_str().len()) > MAX_PATH {
        let detail = format!("a path with its query may have at most {MAX_PATH} bytes");
        return Err(Problem::new(Code::PathTooLong, detail));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > MAX_HEADERS || headers.len() > MAX_HEADER_LINES {
        let detail = format!("headers may have at most {MAX_HEADERS} bytes and {MAX_HEADER_LINES} lines");
        return Err(Problem::new(Code::TooManyHeaders, detail));
    }
    // Pages send no other method that changes something without asking first.
    let writes = request.method() == Method::POST;
    if writes && !is_json(headers) {
        let detail =
            "a request that changes something needs `content-type: application/json`, also without a body";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    if is_about_the_service(path) {
        return Ok(None);
    }
    if service.health().is_away() {
        return Err(refusals::away());
    }
    let permits = if writes && is_of_operators(path) { &service.0.operators } else { &service.0.requests };
    permit(permits).map(Some)
}

fn permit(permits: &Arc<Semaphore>) -> Answer<OwnedSemaphorePermit> {
    let busy = |_| Problem::new(Code::Overloaded, "too many requests are in flight").after(1);
    permits.clone().try_acquire_owned().map_err(busy)
}

/// What needs no database, and is answered under any load.
fn is_about_the_service(path: &str) -> bool {
    !path.starts_with("/v1/") || path == "/v1/openapi.json"
}

/// Commands to a task: `/v1/tasks/{id}/{command}`.
fn is_of_operators(path: &str) -> bool {
    path.strip_prefix("/v1/tasks/").is_some_and(|rest| rest.contains('/'))
}

/// Where nobody is asked who they are, a page on the internet must not get here by a name that it has resolve to this
/// machine.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "[::1]")
}

/// A form of a page on the internet cannot say so.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        let allowed = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.extend(HeaderValue::from_str(host).ok().map(|host| (header::HOST, host)));
            names_this_machine(&headers)
        };
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8081", "[::1]", "[::1]:1"] {
            assert!(allowed(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "localhost:x", "::1"]
        {
            assert!(!allowed(host), "{host}");
        }
        let mut twice = HeaderMap::new();
        twice.append(header::HOST, HeaderValue::from_static("localhost"));
        twice.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert!(!names_this_machine(&twice) && !names_this_machine(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn panic_of_a_route_is_an_answer() {
        let answered = caught(async { "fine".into_response() }).await;
        assert!(answered.is_some());
        let panics = std::hint::black_box(true);
        let panicked = caught(async move {
            assert!(!panics, "on purpose");
            "never".into_response()
        });
        assert!(panicked.await.is_none());
    }
}
