//! What happens in memory: tasks are held, their steps are called, results are recorded.
//!
//! A process is a handful of loops, each in a file of its own, which [`engine`] starts and stops together:
//!
//! | loop | what it does |
//! |---|---|
//! | [`claimer`] | claims tasks from the queues, as many as there is room for |
//! | [`driver`] | drives a [`task_loop`](crate::model::task_loop), which alone knows the progress of its tasks: writes what it says together, starts what it calls |
//! | [`borrow`], [`lend`] | run steps that other processes offer; bring home what others ran for this one |
//! | [`heartbeat`] | keeps the leases of this process, frees the tasks of those that are gone ([`sightings`]); on a thread of its own ([`keeper`]), for handlers may keep all others busy ([`blocking`]) |
//! | [`command_loop`] | hands on what operators ask |
//! | [`scheduler`] | starts the tasks of schedules when their ticks come |
//! | [`turnstile`] | passes on the turns of tasks of which only so many run at once |
//! | [`subscriptions`], [`fast`] | tell the subscribers of domain events |
//! | [`listen`], [`file_changes`] | hear of what other processes make |
//! | [`notify`] | tells other processes |
//!
//! The ground they stand on: [`shared`] is what all of them use, [`settings`], [`message`] the way to the task
//! loops, [`backoff`] how they wait for a database. What others may say to a loop is a small handle with a verb
//! for each ([`claims`], [`offers`], [`loans`], [`command_loop::Commands`], [`heartbeat::Workers`],
//! [`scheduler::Schedules`], [`turnstile::Turns`]); how the loop
//! wakes up is its own business. An attempt is made ready by [`prepare`] and run by [`call`], once it has a
//! permit ([`permits`]).
//!
//! A crash at any point loses memory only: everything here is read back from the journal by whoever claims the
//! task next.

// The ground.
mod backoff;
mod counters;
pub(crate) mod message;
mod polling;
mod pulse;
pub(crate) mod settings;
mod shared;

// What others say to a loop.
mod claims;
mod loans;
mod offers;

// An attempt.
mod batch;
mod blocking;
mod body;
mod call;
mod permits;
mod prepare;
mod running;

// The loops.
mod borrow;
mod claimer;
mod command_loop;
pub(crate) mod driver;
pub(crate) mod event_bus;
mod families;
pub(crate) mod fast;
mod file_changes;
mod heartbeat;
mod keeper;
mod lend;
mod listen;
pub(crate) mod notify;
pub(crate) mod retention;
mod scheduler;
mod sightings;
pub(crate) mod submitter;
pub(crate) mod subscriptions;
mod turnstile;
pub(crate) mod watch;

// The roof.
pub(crate) mod engine;

pub(crate) use engine::Engine;
