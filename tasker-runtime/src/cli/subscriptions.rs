//! The durable subscriptions to domain events.

use clap::{Args, Subcommand};

use super::{Context, Done, Form, output, printable::printable};
use crate::api::{ResetTo, SubscriptionReport};

/// See to the durable subscriptions to domain events.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the subscriptions: how far each is, what is parked, who serves it
    List,
    /// Let a subscription take nothing further until it is resumed
    Pause(Named),
    /// Let a subscription go on that is paused or blocked
    Resume(Named),
    /// Let a subscription go on elsewhere in the log; what is parked is forgotten
    Reset(Reset),
}

/// One subscription.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The name of the subscription
    name: String,
}

/// Let a subscription go on elsewhere.
#[derive(Debug, Args)]
pub(crate) struct Reset {
    /// The name of the subscription
    name: String,
    /// Where: start, now, a position of the log, a time, or how long ago, as 2h
    #[arg(long, value_name = "PLACE", value_parser = place)]
    to: ResetTo,
}

fn place(text: &str) -> Result<ResetTo, String> {
    match text {
        "start" => return Ok(ResetTo::Start),
        "now" => return Ok(ResetTo::Now),
        _ => {}
    }
    if let Ok(position) = text.parse::<u64>() {
        return Ok(ResetTo::Position(i64::try_from(position).unwrap_or(i64::MAX)));
    }
    super::times::point(text).map(ResetTo::Time).map_err(|_| {
        format!(
            "`{text}` is no place in the log: write start, now, a position, a time or how long ago, as 2h"
        )
    })
}

impl Command {
    pub(crate) async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let subscriptions = tasker.subscriptions();
        let (report, what) = match self {
            Self::List => return list(&subscriptions.list().await?, form),
            Self::Pause(Named { name }) => (subscriptions.pause(&name).await?, "is paused"),
            Self::Resume(Named { name }) => (subscriptions.resume(&name).await?, "goes on"),
            Self::Reset(Reset { name, to }) => (subscriptions.reset(&name, to).await?, "goes on elsewhere"),
        };
        if form != Form::Table {
            return output::json(&report, form);
        }
        output::say!(
            "subscription: `{}` {what}, after position {}",
            printable(&report.name),
            report.position
        );
        Ok(())
    }
}

fn list(reports: &[SubscriptionReport], form: Form) -> Done {
    let columns = ["subscription", "events", "state", "position", "behind", "parked", "dead", "worker"];
    output::list(reports, form, &columns, |report| {
        let behind = match (report.behind, report.lag_seconds) {
            (0, _) => String::new(),
            (10_001.., lag) => format!("10,000+, {lag} s"),
            (behind, lag) => format!("{behind}, {lag} s"),
        };
        vec![
            report.name.clone(),
            report.patterns.join(", "),
            report.state.as_str().to_owned(),
            report.position.to_string(),
            behind,
            report.parked.to_string(),
            report.dead.to_string(),
            report.worker.clone().unwrap_or_default(),
        ]
    })
}
