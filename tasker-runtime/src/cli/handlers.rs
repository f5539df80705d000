//! Lists handlers, and writes one to start from.

use clap::Subcommand;
use serde::Serialize;

use super::{Context, Done, new, output};
use crate::{handler::Need, registry::Registry};

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
    description: String,
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
        let lines: Vec<Line> = registry
            .handlers()
            .iter()
            .chain(registry.compensators())
            .map(|registration| {
                let spec = registration.spec();
                let reads = spec.needs.iter().filter_map(|need| match need {
                    Need::Step { name, .. } => Some((*name).to_owned()),
                    _ => None,
                });
                Line {
                    handler: registration.key().to_string(),
                    place: registration.place(),
                    reads: reads.collect(),
                    compensates: spec.compensates.as_ref().map(|compensated| compensated.key.to_string()),
                    description: spec.description.as_deref().unwrap_or_default().to_owned(),
                }
            })
            .collect();
        output::list(
            &lines,
            context.global.output,
            &["handler", "reads", "compensates", "place", "description"],
            |line| {
                vec![
                    line.handler.clone(),
                    line.reads.join(", "),
                    line.compensates.clone().unwrap_or_default(),
                    line.place.clone(),
                    line.description.clone(),
                ]
            },
        )
    }
}
