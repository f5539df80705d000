//! What this process counts, as Prometheus reads it.
//!
//! Labels come from small sets that do not grow: the pattern of a route, a method, a status, a reason. A scrape reads
//! numbers in memory and asks the database nothing.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::http::Method;

use super::{IN_FLIGHT, OPERATORS, Service};
use crate::api::Stats;

/// The upper ends of the buckets of durations, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How long requests of one route took.
#[derive(Clone, Debug, Default)]
struct Durations {
    /// How many fell into each bucket; those that took longer than the last are only in `count`.
    buckets: [u64; BUCKETS.len()],
    count: u64,
    sum: Duration,
}

#[derive(Debug, Default)]
struct Counts {
    requests: BTreeMap<(String, &'static str, u16), u64>,
    durations: BTreeMap<String, Durations>,
    shed: BTreeMap<&'static str, u64>,
    denied: BTreeMap<&'static str, u64>,
}

/// What the requests of this process came to.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<Counts>);

/// A method as a label; what nobody asks for by accident is one.
fn label(method: &Method) -> &'static str {
    let known = ["GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"];
    known.into_iter().find(|known| method.as_str() == *known).unwrap_or("other")
}

impl Metrics {
    /// Takes a request that was answered.
    pub(super) fn note(&self, route: Option<&str>, method: &Method, status: u16, took: Duration) {
        let route = route.unwrap_or("other");
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.requests.entry((route.to_owned(), label(method), status)).or_default() += 1;
        let durations = counts.durations.entry(route.to_owned()).or_default();
        durations.count += 1;
        durations.sum += took;
        let bucket = BUCKETS.iter().position(|end| took.as_secs_f64() <= *end);
        if let Some(count) = bucket.and_then(|bucket| durations.buckets.get_mut(bucket)) {
            *count += 1;
        }
    }

    /// Takes a request that was refused for lack of room, or of a database.
    pub(super) fn note_shed(&self, reason: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.shed.entry(reason).or_default() += 1;
    }
}

impl Metrics {
    /// Takes a request of somebody who was not let in.
    pub(super) fn note_denied(&self, kind: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.denied.entry(kind).or_default() += 1;
    }
}

/// A text in the format of Prometheus.
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, kind, help);
        self.line(name, "", value);
    }

    fn requests(&mut self, counts: &Counts) {
        let name = "tasker_http_requests_total";
        self.head(name, "counter", "Requests that were answered.");
        for ((route, method, status), count) in &counts.requests {
            self.line(name, &format!("route=\"{route}\",method=\"{method}\",code=\"{status}\""), count);
        }
        let name = "tasker_http_request_seconds";
        self.head(name, "histogram", "How long requests took, waits for tasks included.");
        for (route, durations) in &counts.durations {
            let mut below = 0;
            for (end, count) in BUCKETS.iter().zip(durations.buckets) {
                below += count;
                self.line(&format!("{name}_bucket"), &format!("route=\"{route}\",le=\"{end}\""), below);
            }
            let route = format!("route=\"{route}\"");
            self.line(&format!("{name}_bucket"), &format!("{route},le=\"+Inf\""), durations.count);
            self.line(&format!("{name}_sum"), &route, durations.sum.as_secs_f64());
            self.line(&format!("{name}_count"), &route, durations.count);
        }
        let name = "tasker_http_shed_total";
        self.head(name, "counter", "Requests that were refused for lack of room or of a database.");
        for (reason, count) in &counts.shed {
            self.line(name, &format!("reason=\"{reason}\""), count);
        }
        let name = "tasker_auth_failures_total";
        self.head(name, "counter", "Requests of those who showed no credential that is good.");
        for (kind, count) in &counts.denied {
            self.line(name, &format!("kind=\"{kind}\""), count);
        }
    }

    fn engine(&mut self, stats: Stats) {
        for (name, help, value) in [
            ("tasker_claims_total", "Times this process asked a queue for tasks.", stats.claims),
            ("tasker_submit_commits_total", "Commits of this process that added tasks.", stats.submits),
            ("tasker_record_commits_total", "Commits of this process that recorded something.", stats.writes),
            ("tasker_results_total", "Results of steps that this process recorded.", stats.results),
            ("tasker_failures_total", "Failed attempts that this process recorded.", stats.failures),
            (
                "tasker_results_refused_total",
                "Outcomes that came after their lease was lost, and were refused.",
                stats.late,
            ),
            ("tasker_statements_total", "Statements this process has sent to databases.", stats.statements),
        ] {
            self.one(name, "counter", help, value);
        }
    }
}

impl Service {
    /// Everything that is counted.
    pub(super) fn metrics_page(&self) -> String {
        let mut page = Page(String::with_capacity(4096));
        let inner = &self.0;
        page.requests(&inner.metrics.0.lock().unwrap_or_else(PoisonError::into_inner));
        let free = inner.requests.available_permits() + inner.operators.available_permits();
        let in_flight = (IN_FLIGHT + OPERATORS).saturating_sub(free);
        page.one("tasker_http_in_flight", "gauge", "Requests in flight.", in_flight);
        page.one(
            "tasker_store_up",
            "gauge",
            "1 while the database answers, 0 once three questions in a row had no answer.",
            u8::from(!inner.health.is_away()),
        );
        page.engine(inner.tasker.stats());
        page.head("tasker_build_info", "gauge", "1, with the version of the program.");
        page.line("tasker_build_info", &format!("version=\"{}\"", env!("CARGO_PKG_VERSION")), 1);
        page.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_falls_into_the_first_bucket_that_has_room_for_it() {
        let metrics = Metrics::default();
        for millis in [0, 1, 2, 10_000, 10_001] {
            metrics.note(Some("/x"), &Method::GET, 200, Duration::from_millis(millis));
        }
        let mut page = Page(String::new());
        page.requests(&metrics.0.lock().unwrap_or_else(PoisonError::into_inner));
        for line in [
            r#"tasker_http_request_seconds_bucket{route="/x",le="0.001"} 2"#,
            r#"tasker_http_request_seconds_bucket{route="/x",le="0.0025"} 3"#,
            r#"tasker_http_request_seconds_bucket{route="/x",le="2.5"} 3"#,
            r#"tasker_http_request_seconds_bucket{route="/x",le="10"} 4"#,
            r#"tasker_http_request_seconds_bucket{route="/x",le="+Inf"} 5"#,
            r#"tasker_http_request_seconds_count{route="/x"} 5"#,
            r#"tasker_http_requests_total{route="/x",method="GET",code="200"} 5"#,
        ] {
            assert!(page.0.contains(line), "{line}: {}", page.0);
        }
    }

    #[test]
    fn methods_that_nobody_knows_are_one_label() {
        let made_up: Vec<Method> =
            (0..3).filter_map(|n| Method::from_bytes(format!("X{n}").as_bytes()).ok()).collect();
        assert_eq!(made_up.len(), 3);
        assert!(made_up.iter().all(|method| label(method) == "other"));
        assert_eq!(label(&Method::DELETE), "DELETE");
    }
}
