//! Poolers that hand out another connection of the server for each transaction, so that nothing that belongs to a
//! connection outlives one: prepared statements, settings, what is listened to.

use sqlx::{Executor, PgConnection};

/// What stands between this program and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooler {
    /// Nothing, or a pooler that keeps a connection for each session.
    None,
    /// A pooler of transactions: the URL says so with `statement-cache-capacity=0`.
    OfTransactions,
}

/// How long a statement is known to the server once it was prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prepared {
    /// As long as the connection.
    Kept,
    /// As long as the transaction that is open.
    InTransaction,
    /// As long as a transaction of its own: through a pooler of transactions it would be unknown by the time it is
    /// run.
    Alone,
}

/// Begins a transaction and pins its plans, as [`PINNED_PLANS`](super::postgres::PINNED_PLANS) does those of a
/// session.
pub(super) const BEGIN_PINNED: &str = "begin; set local plan_cache_mode = force_generic_plan; \
                                       set local enable_hashjoin = off; set local enable_mergejoin = off; \
                                       set local enable_seqscan = off; set local jit = off";

/// Does `work`, which sends one statement, so that it is known for as long as it has to be.
pub(super) async fn within<T>(
    c: &mut PgConnection,
    lives: Prepared,
    work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
) -> sqlx::Result<T> {
    if lives != Prepared::Alone {
        return work(c).await;
    }
    c.execute(BEGIN_PINNED).await?;
    let done = work(c).await;
    // Without an answer to this nothing is known to be durable.
    let ended = c.execute(if done.is_ok() { "commit" } else { "rollback" }).await;
    done.and_then(|done| ended.map(|_| done))
}
