//! Hears the notifications of other processes.

#[cfg(feature = "postgres")]
pub(crate) use on_postgres::Listener;

#[cfg(not(feature = "postgres"))]
pub(crate) use nowhere::Listener;

#[cfg(feature = "postgres")]
mod on_postgres {
    use std::time::Duration;

    use sqlx::{Executor, postgres::PgListener};

    use super::super::{Backend, Error, Result, Store, db::note_statement, pooler::Pooler};

    /// How long a connection may take to answer.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// A connection that listens.
    pub(crate) struct Listener(PgListener);

    impl Listener {
        /// Listens; `None` when the database carries no notifications.
        pub(crate) async fn open(store: &Store) -> Result<Option<Self>> {
            let options = match &store.backend {
                Backend::Postgres { options, pooler: Pooler::None, .. } => options,
                Backend::Postgres { .. } => return Ok(None),
                #[cfg(feature = "sqlite")]
                Backend::Sqlite { .. } => return Ok(None),
            };
            let pool = sqlx::postgres::PgPoolOptions::new()
                .max_connections(1)
                .acquire_timeout(PATIENCE)
                .connect_lazy_with((**options).clone());
            let open = async {
                let mut listener = PgListener::connect_with(&pool).await?;
                listener.listen("tasker").await?;
                Ok(Self(listener))
            };
            open.await.map(Some).map_err(|source| Error::Unreachable { source })
        }

        /// The next notification.
        ///
        /// # Errors
        /// When the connection was lost; what was sent meanwhile was not heard.
        pub(crate) async fn next(&mut self) -> Result<String> {
            match self.0.try_recv().await {
                Ok(Some(notification)) => Ok(notification.payload().to_owned()),
                Ok(None) => Err(Error::Unreachable {
                    source: sqlx::Error::Protocol("the listening connection was closed".into()),
                }),
                Err(source) => Err(Error::Unreachable { source }),
            }
        }

        /// Asks whether the connection lives: one that was cut on the way says nothing by itself.
        pub(crate) async fn check(&mut self) -> Result<()> {
            note_statement();
            match tokio::time::timeout(PATIENCE, self.0.execute("select 1")).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(source)) => Err(Error::Unreachable { source }),
                Err(_) => Err(Error::Unreachable { source: sqlx::Error::PoolTimedOut }),
            }
        }
    }
}

#[cfg(not(feature = "postgres"))]
mod nowhere {
    use std::convert::Infallible;

    use super::super::{Result, Store};

    /// There is none: SQLite carries no notifications.
    pub(crate) struct Listener(Infallible);

    impl Listener {
        pub(crate) async fn open(_: &Store) -> Result<Option<Self>> {
            Ok(None)
        }

        pub(crate) async fn next(&mut self) -> Result<String> {
            match self.0 {}
        }

        pub(crate) async fn check(&mut self) -> Result<()> {
            match self.0 {}
        }
    }
}
