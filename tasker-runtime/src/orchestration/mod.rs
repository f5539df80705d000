//! The stages a task goes through in the database, a file each, in the order of the data.
//!
//! Every function here is one transaction or one read. None of them calls handlers, waits for time to
//! pass or keeps anything in memory; that is [`dispatch`](crate::dispatch).

pub(crate) mod activity;
mod append;
pub(crate) mod checkpoint;
pub(crate) mod claim;
pub(crate) mod commands;
pub(crate) mod compiled;
pub(crate) mod events;
pub(crate) mod family;
pub(crate) mod fork;
pub(crate) mod in_flight;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod isolation;
pub(crate) mod journal;
pub(crate) mod keys;
pub(crate) mod plans;
pub(crate) mod prune;
pub(crate) mod record;
pub(crate) mod recover;
pub(crate) mod result;
pub(crate) mod schedules;
pub(crate) mod share;
mod storable;
pub(crate) mod submission;
pub(crate) mod submit;
pub(crate) mod subscriptions;
pub(crate) mod templates;
pub(crate) mod turns;
pub(crate) mod view;
pub(crate) mod wake;
