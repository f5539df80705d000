//! What happens in memory: tasks are held, their steps are called, results go to the recorder.
//!
//! [`take`] brings tasks from the queue to one of the [`hold`] loops. A hold loop alone knows the
//! progress of its tasks: it starts the steps that are ready ([`call`], once it is their turn: [`turns`]),
//! gathers what they return, records it together and starts what that made ready. What waits too long is lent
//! to other processes ([`share`]). [`alive`] keeps the leases. A crash at any point loses
//! memory only: everything here is read back from the journal by whoever takes the task next.

pub(crate) mod alive;
pub(crate) mod announce;
pub(crate) mod batch;
pub(crate) mod call;
pub(crate) mod engine;
pub(crate) mod held;
pub(crate) mod hold;
pub(crate) mod listen;
pub(crate) mod queues;
mod rollback;
pub(crate) mod running;
pub(crate) mod share;
pub(crate) mod submitter;
pub(crate) mod take;
pub(crate) mod turns;
pub(crate) mod watch;

pub(crate) use engine::Engine;
