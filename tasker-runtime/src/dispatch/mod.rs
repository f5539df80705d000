//! What happens in memory: tasks are held, their steps are called, results go to the recorder.
//!
//! [`take`] brings tasks from the queue to one of the task loops, each driven by a [`driver`]. A task loop alone
//! knows the progress of its tasks ([`task_loop`](crate::model::task_loop) decides, the driver writes and calls):
//! the steps that are ready start ([`call`], once it is their turn: [`turns`]), what they return is gathered
//! and recorded together, and what that made ready starts. What waits too long is lent
//! to other processes ([`share`]). [`alive`] keeps the leases. A crash at any point loses
//! memory only: everything here is read back from the journal by whoever takes the task next.

pub(crate) mod alive;
pub(crate) mod announce;
pub(crate) mod backoff;
pub(crate) mod batch;
pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod driver;
pub(crate) mod engine;
pub(crate) mod listen;
pub(crate) mod message;
pub(crate) mod running;
pub(crate) mod settings;
pub(crate) mod share;
mod start;
pub(crate) mod submitter;
pub(crate) mod take;
pub(crate) mod turns;
pub(crate) mod watch;

pub(crate) use engine::Engine;
