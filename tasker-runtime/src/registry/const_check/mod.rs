//! What is checked in constants, while the program of a user is compiled: a mistake does not compile.

pub(crate) mod ends;
pub(crate) mod listed;
pub(crate) mod reads;
pub(crate) mod splice;
pub(crate) mod template;
pub(crate) mod workflow;
