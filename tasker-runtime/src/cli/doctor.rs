//! Checks that everything a run needs is there.

use clap::Args;
use serde::Serialize;

use super::{Context, Done, Failure, Form, output, printable::printable_lines};
use crate::{
    api::{Catalog, Tasker},
    config::redact,
    store::{self, ConnectionLimit, Store},
};

/// Check that everything a run needs is in place.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Look at every task that is not over, as if only this program ran it: which would hang or fail? Writes nothing
    #[arg(long)]
    in_flight: bool,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    detail: String,
}

struct Findings(Vec<Finding>);

impl Findings {
    fn note(&mut self, what: &'static str, ok: bool, detail: String) {
        self.0.push(Finding { what, ok, detail });
    }
}

impl Doctor {
    pub(crate) async fn run(self, context: Context) -> Done {
        if self.in_flight {
            return super::in_flight::examine(context).await;
        }
        let form = context.global.output;
        let mut findings = Findings(Vec::new());
        let registry = context.registry();
        findings.note("handlers", true, format!("{} linked", registry.handlers().len()));
        let directory = context.directory();
        let all_here = !context.config.settings().handlers.partial;
        let (catalog, reports) = Catalog::load(Some(&directory), all_here.then_some(&registry));
        let count = catalog.iter().count();
        if reports.is_empty() {
            findings.note("templates", true, format!("{count} in {}", directory.display()));
        } else {
            findings.note(
                "templates",
                false,
                format!("mistakes in {}:\n{}", directory.display(), reports.join("\n")),
            );
        }
        match context.location() {
            Ok(location) => match ask(location.url()).await {
                Ok((version, room)) => {
                    findings.note("database", true, format!("{location}: {version}"));
                    findings.0.extend(room.map(|room| connections(&context, room)));
                }
                Err(error) => {
                    findings.note("database", false, format!("{location}: {}", redact(&error.to_string())));
                }
            },
            Err(error) => findings.note("database", false, error.to_string()),
        }
        if findings.0.iter().all(|finding| finding.ok) {
            match context.builder()?.connect_checked().await {
                Ok(tasker) => {
                    findings.note("wiring", true, "handlers, templates and state fit together".to_owned());
                    for warning in tasker.warnings() {
                        findings.note("warning", true, warning.clone());
                    }
                }
                Err(error) => findings.note("wiring", false, error.to_string()),
            }
        }
        let well = findings.0.iter().all(|finding| finding.ok);
        match form {
            Form::Table => findings.0.iter().try_for_each(|finding| {
                let sign = if finding.ok { "ok   " } else { "wrong" };
                output::print(&format!("{sign}  {:<10} {}", finding.what, printable_lines(&finding.detail)))
            })?,
            form => output::json(&findings.0, form)?,
        }
        if well { Ok(()) } else { Err(Failure::quiet(1)) }
    }
}

/// Whether the server has room for the connections of one more worker.
fn connections(context: &Context, room: ConnectionLimit) -> Finding {
    let ConnectionLimit { whose, limit, used } = room;
    let connections = Tasker::builder().config(&context.config).connections();
    let (least, most) = (connections.start(), connections.end());
    // This one is among those that are used.
    let free = (limit - used + 1).max(0);
    let enough = usize::try_from(free).is_ok_and(|free| free >= *least);
    let detail = format!(
        "a worker keeps {least} and up to {most}; {whose} allows {limit}, of which {free} are free{}",
        if !enough { ": stop something that uses them, or allow more" } else { "" }
    );
    Finding { what: "connections", ok: enough, detail }
}

/// Opens a database; what that says of itself, and of the connections it has room for.
async fn ask(url: &str) -> store::Result<(String, Option<ConnectionLimit>)> {
    let store = Store::open(url, store::Options::default()).await?;
    let said = (store.version().await?, store.connection_limit().await?);
    store.close().await;
    Ok(said)
}
