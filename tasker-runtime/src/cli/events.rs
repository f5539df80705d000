//! The domain events of steps.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Context, Done, Failure, Form, inspect, output, printable::printable, program, signals::Signals};
use crate::{
    api::{
        DeadDeliveryReport, EventFilter, EventLetterReport, EventReport, Replay, SubscriptionError, Tasker,
    },
    model::{EventPattern, Timestamp},
};

/// Look at domain events.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List events in the order of the log
    List(List),
    /// Show an event with its payload, as a CloudEvents envelope
    Show(Show),
    /// Print events as they come, until SIGINT or SIGTERM
    Tail(Tail),
    /// List the events that could not be published, or not be delivered; deliver those again, or drop them
    Letters(Letters),
    /// Deliver events of the log to a subscription once more
    Replay(Again),
}

/// List events.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only events with such a name: order.paid, order.*
    #[arg(default_value = "*", value_parser = pattern)]
    pattern: EventPattern,
    /// Only events of tasks of this namespace
    #[arg(long)]
    namespace: Option<String>,
    /// Only events of this task
    #[arg(long, value_name = "ID", value_parser = super::task_id, conflicts_with_all = ["namespace", "after"])]
    task: Option<uuid::Uuid>,
    /// Only events after this position
    #[arg(long, value_name = "POSITION", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    after: i64,
    /// At most this many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
}

/// Show an event.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its position in the log
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    position: i64,
}

/// Print events as they come.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Only events with such a name: order.paid, order.*
    #[arg(default_value = "*", value_parser = pattern)]
    pattern: EventPattern,
    /// Only events of tasks of this namespace
    #[arg(long)]
    namespace: Option<String>,
    /// Begin after this position; 0 is the beginning of the log, and without this it begins now
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(0..))]
    from: Option<i64>,
    /// Begin with what happened then or later: 1h ago, or a time like 2026-12-24T18:00:00+01:00
    #[arg(long, value_name = "TIME", conflicts_with = "from", value_parser = super::times::point)]
    since: Option<Timestamp>,
}

/// Events that were neither published nor delivered.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Letters {
    #[command(subcommand)]
    command: Option<OfLetters>,
    #[command(flatten)]
    list: ListLetters,
}

#[derive(Debug, Subcommand)]
enum OfLetters {
    /// List them, the latest first
    List(ListLetters),
    /// Deliver those of a subscription again
    Retry(Chosen),
    /// Forget those of a subscription
    Drop(Chosen),
}

/// The dead letters of a subscription.
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// The subscription
    #[arg(long, value_name = "NAME")]
    subscription: String,
    /// Only the event at this position of the log
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(1..))]
    position: Option<i64>,
}

/// Deliver events once more.
#[derive(Debug, Args)]
pub(crate) struct Again {
    /// The subscription; no other one notices
    #[arg(long, value_name = "NAME")]
    subscription: String,
    /// Only what happened then or later: 1h ago, or a time like 2026-12-24T18:00:00+01:00
    #[arg(long, value_name = "TIME", value_parser = super::times::point)]
    since: Option<Timestamp>,
    /// Only events of this task
    #[arg(long, value_name = "ID", value_parser = super::task_id)]
    task: Option<uuid::Uuid>,
    /// Only events with such a name: order.paid, order.*
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    event: Option<EventPattern>,
    /// Only say how many those are
    #[arg(long)]
    dry_run: bool,
}

/// List the events that could not be published or delivered.
#[derive(Debug, Args)]
pub(crate) struct ListLetters {
    /// At most this many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

fn pattern(text: &str) -> Result<EventPattern, String> {
    text.parse()
}

impl Command {
    pub(crate) async fn run(self, context: Context, signals: Signals) -> Done {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::Tail(command) => command.run(context, signals).await,
            Self::Letters(command) => command.run(context).await,
            Self::Replay(command) => command.run(context).await,
        }
    }
}

impl List {
    async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let limit = self.limit as usize;
        let events = match self.task {
            Some(task) => {
                let mut events = tasker.events().of(task, 0, 100_000).await?;
                events.retain(|event| self.pattern.matches(&event.name));
                events.truncate(limit);
                events
            }
            None => {
                let filter = filter(self.pattern, self.namespace).after(self.after).limit(limit);
                let page = tasker.events().page(&filter).await?;
                if page.events.len() == limit {
                    output::say!("{}", output::dim(&format!("there may be more: --after {}", page.next)));
                }
                page.events
            }
        };
        output::list(&events, form, &["position", "event", "task", "no.", "step", "outcome", "time"], row)
    }
}

fn filter(pattern: EventPattern, namespace: Option<String>) -> EventFilter {
    let filter = EventFilter::new().named(pattern);
    match namespace {
        Some(namespace) => filter.namespace(namespace),
        None => filter,
    }
}

fn row(event: &EventReport) -> Vec<String> {
    vec![
        event.position.to_string(),
        event.name.clone(),
        event.task.to_string(),
        event.sequence.to_string(),
        format!("{} ({})", event.step, event.attempt),
        event.outcome.as_str().to_owned(),
        inspect::seconds(event.at),
    ]
}

impl Show {
    async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let filter = EventFilter::new().after(self.position - 1).limit(1);
        let found = tasker.events().page(&filter).await?.events.into_iter().next();
        match found.filter(|event| event.position == self.position) {
            Some(event) => output::json(&event, form),
            None => {
                let message = format!("there is no event at position {}", self.position);
                Err(Failure::not_found(message).try_this("events list"))
            }
        }
    }
}

/// How long one look waits for events.
const LOOK: Duration = Duration::from_secs(20);

impl Tail {
    async fn run(self, context: Context, mut signals: Signals) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let mut position = match (self.from, self.since) {
            (Some(position), _) => position,
            (None, Some(time)) => tasker.events().position_before(time).await?,
            (None, None) => tasker.events().position().await?,
        };
        let filter = filter(self.pattern, self.namespace).wait(LOOK);
        // It is to say where it stopped.
        signals.take_over();
        let ended = tokio::select! {
            biased;
            () = signals.stop() => Ok(()),
            ended = print(&tasker, &filter, &mut position, form) => ended,
        };
        let go_on = program::command(&format!("events tail --from {position}"));
        output::say!("{}", output::dim(&format!("go on with: {go_on}")));
        ended
    }
}

/// Prints events as they come, and notes up to where they are printed.
async fn print(tasker: &Tasker, filter: &EventFilter, position: &mut i64, form: Form) -> Done {
    loop {
        let page = tasker.events().page(&filter.clone().after(*position)).await?;
        for event in &page.events {
            match form {
                Form::Table => {
                    let row = row(event).iter().map(|cell| printable(cell).into_owned()).collect::<Vec<_>>();
                    output::print(&row.join("  "))?;
                }
                form => output::json(event, form)?,
            }
            *position = event.position;
        }
        *position = page.next;
    }
}

impl Letters {
    async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let (chosen, retry) = match self.command {
            None => return self.list.run(context).await,
            Some(OfLetters::List(list)) => return list.run(context).await,
            Some(OfLetters::Retry(chosen)) => (chosen, true),
            Some(OfLetters::Drop(chosen)) => (chosen, false),
        };
        let tasker = context.visiting()?.without_templates().connect().await?;
        let Chosen { subscription, position } = chosen;
        let subscriptions = tasker.subscriptions();
        let (count, what) = match retry {
            true => (subscriptions.retry_dead(&subscription, position).await?, "delivered again"),
            false => (subscriptions.drop_dead(&subscription, position).await?, "dropped"),
        };
        said(count, &format!("dead letters of `{}`: {count} {what}", printable(&subscription)), form)
    }
}

/// A number, in words for people.
fn said(count: u64, words: &str, form: Form) -> Done {
    if form == Form::Table {
        output::say!("{words}");
        return Ok(());
    }
    output::json(&serde_json::json!({ "events": count }), form)
}

impl Again {
    async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let mut replay = Replay::new();
        if let Some(time) = self.since {
            replay = replay.since(time);
        }
        if let Some(task) = self.task {
            replay = replay.task(task);
        }
        if let Some(pattern) = self.event {
            replay = replay.named(pattern);
        }
        let count = tasker.subscriptions().replay(&self.subscription, &replay, self.dry_run).await?;
        let name = printable(&self.subscription);
        let words = match self.dry_run {
            true => format!("`{name}` would hear {count} events once more"),
            false => format!("`{name}` hears {count} events once more"),
        };
        said(count as u64, &words, form)
    }
}

impl From<SubscriptionError> for Failure {
    fn from(error: SubscriptionError) -> Self {
        match error {
            SubscriptionError::Store(error) => error.into(),
            SubscriptionError::Unknown { .. } => Self::not_found(error).try_this("subscription list"),
            error => Self::run(error),
        }
    }
}

/// A letter of either kind.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Either {
    Published(EventLetterReport),
    Delivered(DeadDeliveryReport),
}

impl Either {
    fn row(&self) -> Vec<String> {
        let time = |at: Option<Timestamp>| at.map(inspect::seconds).unwrap_or_default();
        match self {
            Self::Published(letter) => vec![
                letter.name.clone(),
                letter.task.to_string(),
                format!("published by {} ({})", letter.step, letter.attempt),
                letter.reason.clone(),
                letter.detail.clone(),
                time(Some(letter.at)),
            ],
            Self::Delivered(letter) => vec![
                letter.name.clone().unwrap_or_default(),
                letter.task.map(|task| task.to_string()).unwrap_or_default(),
                format!("{} for {} ({})", letter.position, letter.subscription, letter.attempts),
                letter.reason.clone(),
                letter.detail.clone(),
                time(letter.at),
            ],
        }
    }
}

impl ListLetters {
    async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let limit = self.limit as usize;
        let published = tasker.events().letters(limit).await?.into_iter().map(Either::Published);
        let delivered = tasker.subscriptions().dead(limit).await?.into_iter().map(Either::Delivered);
        let letters: Vec<Either> = published.chain(delivered).take(limit).collect();
        output::list(&letters, form, &["event", "task", "where", "reason", "detail", "time"], Either::row)
    }
}
