//! The HTTP service of `serve`: where it listens, and what is said of that.

use super::{Context, Failure, Form, output};
use crate::config::Config;
#[cfg(feature = "server")]
use crate::server::{BindError, Options, Server};

/// The setting that says where.
const LISTEN: &str = "server.listen";
/// Its value where nothing is to be served.
const OFF: &str = "off";

/// The service of this process, as far as it has one.
pub(super) struct Service {
    #[cfg(feature = "server")]
    server: Option<Server>,
    /// Why it has none, where that may not be meant.
    warning: Option<String>,
    form: Form,
}

/// Whether somebody asked for an address of their own. A file that says all defaults asks for none.
fn is_configured(config: &Config) -> bool {
    let mut effective = config.effective().filter(|effective| effective.key.name == LISTEN);
    effective.any(|effective| effective.value != effective.key.default)
}

impl Service {
    /// Takes the address that the settings name. Another program may have the default one: then there is no service,
    /// so that several processes of one machine need no settings.
    ///
    /// # Errors
    /// When the settings name an address that cannot be had.
    #[cfg(feature = "server")]
    pub(super) async fn bind(context: &Context) -> Result<Self, Failure> {
        let (config, form) = (&context.config, context.global.output);
        let address = &*config.settings().server.listen;
        if address == OFF {
            return Ok(Self { server: None, warning: None, form });
        }
        match Server::bind(address, Options::of(config)).await {
            Ok(server) => Ok(Self { server: Some(server), warning: None, form }),
            Err(error @ BindError::Tokens { .. }) => Err(Failure::usage(error).try_this("config show")),
            Err(error) if is_configured(config) => Err(refused(&error)),
            Err(error) => {
                let warning = format!("{error}: this process runs tasks without the HTTP service ({LISTEN})");
                Ok(Self { server: None, warning: Some(warning), form })
            }
        }
    }

    /// Whether anybody could be served there.
    ///
    /// # Errors
    /// When other machines can reach the address and there is no key, or the database does not answer.
    pub(super) async fn check(&self, tasker: &crate::api::Tasker) -> super::Done {
        #[cfg(feature = "server")]
        if let Some(server) = &self.server {
            return server.check(tasker).await.map_err(|error| refused(&error));
        }
        let _ = tasker;
        Ok(())
    }

    /// There is no service in a program that was built without.
    ///
    /// # Errors
    /// When the settings ask for one.
    #[cfg(not(feature = "server"))]
    pub(super) async fn bind(context: &Context) -> Result<Self, Failure> {
        let config = &context.config;
        if is_configured(config) && config.settings().server.listen != OFF {
            let message = format!("{LISTEN}: this program was built without the feature `server`");
            return Err(Failure::usage(message));
        }
        Ok(Self { warning: None, form: context.global.output })
    }

    /// Says where the service is, if there is one.
    ///
    /// # Errors
    /// When standard output is closed.
    pub(super) fn say(&self) -> super::Done {
        self.warning.iter().for_each(|warning| output::warn(warning));
        #[cfg(feature = "server")]
        if let Some(server) = &self.server {
            output::say!("{} http://{}", output::green("serving"), server.address());
            if self.form != Form::Table {
                let address = server.address().to_string();
                output::json(&std::collections::BTreeMap::from([("http", address)]), self.form)?;
            }
        }
        let _ = self.form;
        Ok(())
    }

    /// Serves until `end`, and returns once nothing of the service is left.
    pub(super) async fn serve(self, tasker: &crate::api::Tasker, end: impl Future<Output = ()>) {
        #[cfg(feature = "server")]
        if let Some(server) = self.server {
            return server.serve(tasker, end).await;
        }
        let _ = tasker;
        end.await;
    }
}

#[cfg(feature = "server")]
fn refused(error: &BindError) -> Failure {
    let message = format!("{LISTEN}: {error}");
    match error {
        BindError::NotAnAddress { .. } => Failure::usage(message),
        BindError::NoKeys { .. } => Failure::usage(message).try_all_this(format!(
            "{}, or {LISTEN} = \"127.0.0.1:8081\"",
            super::program::command("key create NAME --role operator --expires 90d")
        )),
        _ => Failure::run(message).try_all_this(format!(
            "stop the other program, or give {LISTEN} another port; `{OFF}` serves nothing"
        )),
    }
}
