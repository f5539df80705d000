//! Lists handlers, and writes one to start from.

use std::time::Duration;

use clap::Subcommand;
use serde::Serialize;

use super::{Context, Done, new, output};
use crate::{
    handler::Need,
    registry::{Registration, Registry},
    template::RetryOptions,
};

/// List and write handlers.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the handlers that are linked into this program
    List,
    /// Print or write a handler to start from
    New(new::Handler),
}

#[derive(Serialize)]
struct Line {
    handler: String,
    place: String,
    reads: Vec<String>,
    compensates: Option<String>,
    queue: Option<String>,
    retry: RetryOptions,
    /// In milliseconds.
    timeout_ms: Option<u64>,
    description: String,
}

impl Line {
    fn of(registration: &Registration) -> Self {
        let spec = registration.spec();
        let reads = spec.needs.iter().filter_map(|need| match need {
            Need::Step { name, .. } => Some((*name).to_owned()),
            _ => None,
        });
        Self {
            handler: registration.key().to_string(),
            place: registration.place(),
            reads: reads.collect(),
            compensates: spec.compensates.as_ref().map(|undone| undone.key.to_string()),
            queue: spec.queue.as_deref().map(str::to_owned),
            retry: spec.retry.clone(),
            timeout_ms: spec.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            description: spec.description.as_deref().unwrap_or_default().to_owned(),
        }
    }

    /// What it says of retries, and nothing where the settings decide.
    fn retries(&self) -> String {
        let RetryOptions { retryable, max_attempts, backoff, base, max } = &self.retry;
        let text = |delay: &Option<Duration>, word| delay.map(|delay| format!("{word} {}", short(delay)));
        let attempts = match (retryable, max_attempts) {
            (Some(false), _) => Some("1 attempt".to_owned()),
            (_, attempts) => attempts.map(|attempts| format!("{attempts} attempts")),
        };
        let said =
            [attempts, backoff.map(|backoff| backoff.to_string()), text(base, "from"), text(max, "to")];
        said.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// A duration as an attribute has it: `1500ms`, `30s`, `5m`, `2h`, `1d`.
fn short(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let whole = units.into_iter().find(|(unit, _)| millis >= *unit && millis.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{millis}ms"), |(unit, name)| format!("{}{name}", millis / unit))
}

impl Command {
    pub(crate) fn run(self, context: Context) -> Done {
        match self {
            Self::List => Self::list(&context),
            Self::New(handler) => handler.run(),
        }
    }

    fn list(context: &Context) -> Done {
        let registry = Registry::discover();
        let lines: Vec<Line> =
            registry.handlers().iter().chain(registry.compensations()).map(Line::of).collect();
        output::list(
            &lines,
            context.global.output,
            &["handler", "queue", "retry", "timeout", "reads", "compensates", "place", "description"],
            |line| {
                vec![
                    line.handler.clone(),
                    line.queue.clone().unwrap_or_default(),
                    line.retries(),
                    line.timeout_ms.map(|millis| short(Duration::from_millis(millis))).unwrap_or_default(),
                    line.reads.join(", "),
                    line.compensates.clone().unwrap_or_default(),
                    line.place.clone(),
                    line.description.clone(),
                ]
            },
        )
    }
}
