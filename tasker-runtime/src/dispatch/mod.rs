//! What happens in memory: tasks are held, their steps are called, results go to the recorder.
//!
//! [`take`] brings tasks from the queue to one of the task loops, each driven by a [`driver`]. A task loop alone
//! knows the progress of its tasks ([`task_loop`](crate::model::task_loop) decides, the driver writes and calls):
//! the steps that are ready start ([`call`], once they have a permit: [`permits`]), what they return is gathered
//! and recorded together, and what that made ready starts. What waits too long is lent
//! to other processes ([`lend`]), which run it as their own ([`borrow`]). [`alive`] keeps the leases. A crash at any point loses
//! memory only: everything here is read back from the journal by whoever takes the task next.

pub(crate) mod alive;
pub(crate) mod announce;
pub(crate) mod backoff;
pub(crate) mod batch;
pub(crate) mod body;
mod borrow;
pub(crate) mod call;
pub(crate) mod driver;
pub(crate) mod engine;
mod file_changes;
mod lend;
pub(crate) mod listen;
pub(crate) mod loans;
pub(crate) mod message;
pub(crate) mod permits;
mod prepare;
pub(crate) mod running;
pub(crate) mod settings;
pub(crate) mod submitter;
pub(crate) mod take;
pub(crate) mod watch;

pub(crate) use engine::Engine;
