//! Shows the effective settings.

use clap::Subcommand;
use serde::Serialize;

use super::{Context, Done, output};
use crate::config::{Config, redact};

/// Show the effective settings and their sources.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print every setting with its value and its source; passwords are left out
    Show,
}

#[derive(Serialize)]
struct Line {
    setting: String,
    value: String,
    source: String,
    about: &'static str,
}

impl Command {
    pub(crate) fn run(self, context: &Context) -> Done {
        let Self::Show = self;
        let config = &context.config;
        let settings = config.effective().map(|found| Line {
            setting: found.key.name.to_owned(),
            value: found.value,
            source: found.source.to_string(),
            about: found.key.about,
        });
        let lines: Vec<Line> = settings.chain(aliases(config)).chain(apis(config)).collect();
        output::list(&lines, context.global.output, &["setting", "value", "source"], |line| {
            vec![line.setting.clone(), line.value.clone(), line.source.clone()]
        })
    }
}

/// A line for each other name of a handler.
fn aliases(config: &Config) -> impl Iterator<Item = Line> {
    config.aliases().iter().map(|(alias, handler)| Line {
        setting: format!("handlers.aliases.{alias}"),
        value: handler.clone(),
        source: config.file().map(ToString::to_string).unwrap_or_default(),
        about: "the handler that is meant where templates write this",
    })
}

/// A line for each value of each section `[api.<name>]`. Of headers only the names, because their values may
/// be secrets.
fn apis(config: &Config) -> Vec<Line> {
    let mut lines = Vec::new();
    for (name, api) in config.apis() {
        let source = config.api_source(name).map(ToString::to_string).unwrap_or_default();
        let mut say = |key: &str, value: Option<String>, about| {
            let Some(value) = value else { return };
            lines.push(Line { setting: format!("api.{name}.{key}"), value, source: source.clone(), about });
        };
        // With credentials in it, it is refused at the start; it is not shown either.
        let shown = |url: &String| if url.contains('@') { "***".to_owned() } else { redact(url) };
        say("base_url", api.base_url.as_ref().map(shown), "where the API is");
        let timeout = api.timeout.map(|timeout| timeout.as_secs().to_string());
        say("timeout_seconds", timeout, "how long a call may take");
        say(
            "max_response_bytes",
            api.max_response_bytes.map(|bytes| bytes.to_string()),
            "the largest response",
        );
        let headers: Vec<_> = api.headers.keys().cloned().collect();
        say("headers", Some(headers.join(", ")).filter(|names| !names.is_empty()), "headers that are sent");
    }
    lines
}
