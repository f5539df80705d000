//! Whoever answers: sends each task that waits for a signal, or will, its answer, until it is acknowledged.

use std::{collections::HashSet, time::Duration};

use tasker_runtime::{Tasker, api::Message};
use uuid::Uuid;

use super::{database::Database, policy::answer, workflows::APPROVAL};

/// Sends until it is dropped. What is in doubt is sent again with the same key.
pub(crate) async fn send(tasker: Tasker, database: Database) {
    let mut acknowledged: HashSet<Uuid> = HashSet::new();
    loop {
        for task in database.waiting_for_answers().await.unwrap_or_default() {
            if acknowledged.contains(&task) {
                continue;
            }
            let message = Message::named(APPROVAL.1).idempotency_key("answer");
            let Ok(message) = message.payload(&answer(task)) else { continue };
            if tasker.send(task, &message).await.is_ok() {
                acknowledged.insert(task);
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
