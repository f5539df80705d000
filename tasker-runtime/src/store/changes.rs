//! Whether anybody has written into a SQLite file.

#[cfg(feature = "sqlite")]
mod in_file {
    use sqlx::{SqliteConnection, SqlitePool};

    use super::super::{Backend, Error, Result, Store};

    /// Tells whether a SQLite file has changed, on a connection of its own: what SQLite compares is what this very
    /// connection saw last.
    pub(crate) struct Changes {
        readers: SqlitePool,
        connection: Option<SqliteConnection>,
        seen: Option<i64>,
    }

    impl Store {
        /// For a SQLite file, which several processes may write; `None` for other databases.
        pub(crate) fn changes(&self) -> Option<Changes> {
            match &self.backend {
                Backend::Sqlite { readers: Some(readers), .. } => {
                    Some(Changes { readers: readers.clone(), connection: None, seen: None })
                }
                _ => None,
            }
        }
    }

    impl Changes {
        /// Whether anybody, this process included, has written since the last call. The first one says yes.
        pub(crate) async fn any(&mut self) -> Result<bool> {
            let connection = match &mut self.connection {
                Some(connection) => connection,
                none => {
                    let own = self.readers.acquire().await.map_err(|source| Error::Unreachable { source })?;
                    self.seen = None;
                    none.insert(own.detach())
                }
            };
            let version = sqlx::query_scalar("pragma data_version").fetch_one(connection).await;
            if version.is_err() {
                self.connection = None;
            }
            let version: i64 = version.map_err(|source| Error::Unreachable { source })?;
            Ok(self.seen.replace(version) != Some(version))
        }
    }
}

#[cfg(not(feature = "sqlite"))]
mod nowhere {
    use std::convert::Infallible;

    use super::super::{Result, Store};

    /// There are none to look for: there is no file.
    pub(crate) struct Changes(Infallible);

    impl Store {
        pub(crate) fn changes(&self) -> Option<Changes> {
            None
        }
    }

    impl Changes {
        pub(crate) async fn any(&mut self) -> Result<bool> {
            match self.0 {}
        }
    }
}

#[cfg(all(test, feature = "sqlite"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use support::fresh_sqlite;

    use super::super::{Options, Store, sql, values};

    #[tokio::test]
    async fn what_another_process_writes_is_seen_once() {
        let database = fresh_sqlite();
        let [here, there] = [0, 1].map(|_| Store::open(&database.url, Options::default()));
        let (here, there) = (here.await.unwrap(), there.await.unwrap());
        let mut changes = here.changes().unwrap();
        assert!(changes.any().await.unwrap(), "nobody has looked before");
        assert!(!changes.any().await.unwrap());
        let template = values!["n", "t", "1.0.0", "digest", "{}", 1];
        there.writer().await.unwrap().execute(&sql::PUT_TEMPLATE, template).await.unwrap();
        assert!(changes.any().await.unwrap());
        assert!(!changes.any().await.unwrap());
        there.reader().await.unwrap().fetch(&sql::LIVE_WORKERS, &[]).await.unwrap();
        assert!(!changes.any().await.unwrap(), "who only reads changes nothing");
    }
}
