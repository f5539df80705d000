//! A ledger that is fed by the events of [`domain_event_publishing`](crate::domain_event_publishing): a line for each
//! payment, in the file that `PAYMENT_LEDGER` names. Without the variable nobody keeps a ledger.
//!
//! An event comes at least once: who died after the line and before it was noted hears of it again. So each line begins
//! with the id of its event, and whoever reads the ledger counts each id once.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{self, Write},
    path::Path,
};

use serde::Deserialize;
use tasker_runtime::prelude::*;

use crate::money::Money;

/// The variable that names the file.
pub const VARIABLE: &str = "PAYMENT_LEDGER";

/// What `payment.processed` says, as far as the ledger wants to know.
#[derive(Debug, Deserialize)]
pub struct Payment {
    amount: Money,
}

/// Writes down a payment that was processed, or an attempt that failed.
///
/// # Errors
///
/// Retryable: `LEDGER`, where the file cannot be written.
#[event_subscriber("payment.*", from = "start", retry(max_attempts = 5, base = "200ms"))]
pub async fn payment_ledger(event: Event<Json>) -> Result<(), StepError> {
    let Some(path) = env::var_os(VARIABLE) else { return Ok(()) };
    let amount = match &*event.name {
        "payment.processed" => event.data.parse::<Payment>().permanent("NO_PAYMENT")?.amount,
        _ => Money::whole(0),
    };
    let sequence = event.sequence.unwrap_or_default();
    let line = format!("{} {} {sequence} {} {amount}\n", event.id, event.task, event.name);
    append(path.as_ref(), &line).retryable("LEDGER")
}

/// Adds a line. It is one write, so that the lines of several processes do not mix.
fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(line.as_bytes())
}

/// The lines of a ledger without those that were written before, each without the id of its event.
///
/// # Errors
///
/// Where the file cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(path)?;
    let mut seen = BTreeSet::new();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    Ok(lines.filter(|(id, _)| seen.insert(*id)).map(|(_, rest)| rest.to_owned()).collect())
}
