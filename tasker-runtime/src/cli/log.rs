//! The log: what the engine and the driver have to say, on standard error.

use std::fmt::{self, Debug};

use tracing::field::Field;
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt,
    fmt::format::{Writer, debug_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::{
    output,
    printable::printable,
    screen::{self, Log},
};
use crate::config::redact;

/// What is logged where `RUST_LOG` says nothing.
const USUAL: &str = "warn";

/// Starts it.
pub(super) fn start() {
    let asked = std::env::var("RUST_LOG").ok().filter(|filter| !filter.trim().is_empty());
    let filter = asked.as_deref().unwrap_or(USUAL).parse().unwrap_or_else(|error| {
        output::warn(&format!("RUST_LOG is not understood, and `{USUAL}` is taken instead: {error}"));
        EnvFilter::new(USUAL)
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| Log)
        .with_ansi(screen::has_colours())
        .fmt_fields(debug_fn(field).delimited(" "));
    tracing_subscriber::registry().with(filter).with(lines).init();
}

/// Writes a field of an event: fit to be shown, and without passwords.
fn field(to: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let text = redact(&format!("{value:?}"));
    match field.name() {
        "message" => write!(to, "{}", printable(&text)),
        // The driver logs a line of the password file that it does not understand.
        "line" => write!(to, "line=***"),
        name => write!(to, "{name}={}", printable(&text)),
    }
}
