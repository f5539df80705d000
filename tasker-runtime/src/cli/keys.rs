//! The keys by which the HTTP service knows who asks.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use serde::Serialize;

use super::{Context, Done, Failure, Form, inspect, output, printable::printable, times};
use crate::{
    api::{KeyError, KeyReport, NewKey, Role},
    model::Timestamp,
};

/// Make, list and revoke the keys by which the HTTP service knows who asks.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a key, and print it: this once, because it is kept nowhere
    Create(Create),
    /// List the keys
    List(List),
    /// End a key: services know within five seconds
    Revoke(Revoke),
}

/// Make a key, and print it: this once, because it is kept nowhere.
///
/// Once there is a key, the HTTP service serves nobody who shows none.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("permits").args(["role", "permission"]).required(true).multiple(true)))]
#[command(group(ArgGroup::new("end").args(["expires", "never"]).required(true)))]
pub(crate) struct Create {
    /// Its name, which stands in the audit trail for what is done by it
    name: String,
    /// Permissions that go together: viewer, operator or admin
    #[arg(long, value_name = "ROLE")]
    role: Option<Role>,
    /// What it permits: tasks:read, tasks:*, *; may be repeated
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// A namespace for which it does, all without this; may be repeated
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Vec<String>,
    /// How long it is good: 90d, 12h
    #[arg(long, value_name = "TIME", value_parser = times::age)]
    expires: Option<Duration>,
    /// It is good until it is revoked
    #[arg(long)]
    never: bool,
}

/// List the keys.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// At most this many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Go on after the key with this id
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

/// End a key.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The id of the key: the eight characters after tsk_
    id: String,
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => error.into(),
            KeyError::Unknown { .. } => Self::not_found(error).try_this("key list"),
            KeyError::NoRandomness { .. } => Self::run(error),
            error => Self::usage(error).try_this("key create --help"),
        }
    }
}

/// A key as it is made.
#[derive(Serialize)]
struct Made<'k> {
    #[serde(flatten)]
    report: &'k KeyReport,
    secret: &'k str,
}

impl Command {
    pub(crate) async fn run(self, context: Context) -> Done {
        match self {
            Self::Create(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Revoke(command) => command.run(context).await,
        }
    }
}

impl Create {
    async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let new = match self.expires {
            Some(age) => NewKey::until(self.name, tasker.now() + age),
            None => NewKey::that_never_expires(self.name),
        };
        let new = self.role.into_iter().fold(new, NewKey::role);
        let new = self.permission.into_iter().fold(new, NewKey::permission);
        let new = self.namespace.into_iter().fold(new, NewKey::namespace);
        let made = tasker.keys().create(new).await?;
        tasker.stop().await?;
        if form != Form::Table {
            return output::json(&Made { report: &made.report, secret: made.secret() }, form);
        }
        output::print(made.secret())?;
        let (name, id) = (printable(&made.report.name), &made.report.id);
        output::say!("key: `{name}` is made, with the id {id}; it is shown this once and kept nowhere");
        Ok(())
    }
}

/// How a key stands.
fn state(key: &KeyReport, now: Timestamp) -> String {
    match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {}", inspect::seconds(at)),
        (None, Some(end)) if end <= now => format!("expired {}", inspect::seconds(end)),
        (None, Some(end)) => format!("until {}", inspect::seconds(end)),
        (None, None) => "never expires".to_owned(),
    }
}

impl List {
    async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let limit = self.limit as usize;
        let keys = tasker.keys().list(self.after.as_deref(), limit).await?;
        let now = tasker.now();
        if let Some(last) = keys.last().filter(|_| keys.len() == limit) {
            output::say!("{}", output::dim(&format!("there may be more: --after {}", last.id)));
        }
        let columns = ["id", "name", "permissions", "namespaces", "state", "last used", "made by"];
        output::list(&keys, form, &columns, |key| {
            vec![
                key.id.clone(),
                key.name.clone(),
                key.permissions.join(", "),
                key.namespaces.as_ref().map_or_else(|| "all".to_owned(), |all| all.join(", ")),
                state(key, now),
                key.last_used_at.map(inspect::seconds).unwrap_or_default(),
                key.created_by.clone(),
            ]
        })
    }
}

impl Revoke {
    async fn run(self, context: Context) -> Done {
        let tasker = context.visiting()?.without_templates().connect().await?;
        tasker.keys().revoke(&self.id).await?;
        tasker.stop().await?;
        output::say!("key: {} is revoked", printable(&self.id));
        Ok(())
    }
}
