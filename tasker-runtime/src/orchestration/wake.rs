//! Tells other processes on the same database that there is something to do.

use crate::store::{Result, Session, sql, values};

/// Sends these news, a line each, as one notification.
pub(crate) async fn notify(session: &mut Session, news: Vec<String>) -> Result<()> {
    session
        .run(async |connection| {
            // A notification carries at most 8,000 bytes.
            for part in news.chunks(40) {
                connection.execute(&sql::NOTIFY, values![&*part.join("\n")]).await?;
            }
            Ok(())
        })
        .await
}
