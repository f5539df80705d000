//! Creates the tables and brings them up to date.

use std::borrow::Cow;

use sqlx::{
    SqlSafeStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::{Backend, Error, Result, Store, sql};
#[cfg(feature = "postgres")]
use super::{pooler::Pooler, values};

macro_rules! migrations {
    ($store:literal: $($version:literal $file:literal),+ $(,)?) => {
        vec![$(Migration::new(
            $version,
            // Without its number.
            Cow::Borrowed(&$file[5..]),
            MigrationType::Simple,
            include_str!(concat!("../../migrations/", $store, "/", $file, ".sql")).into_sql_str(),
            false,
        )),+]
    };
}

/// Applies what is missing. Processes that start at once wait for one another.
pub(super) async fn run(store: &Store) -> Result<()> {
    if is_current(store).await? {
        return Ok(());
    }
    let done = match &store.backend {
        #[cfg(feature = "postgres")]
        Backend::Postgres { pooler: Pooler::OfTransactions, .. } => return through_pooler(store).await,
        #[cfg(feature = "postgres")]
        Backend::Postgres { pool, .. } => migrate_postgres(pool).await?,
        #[cfg(feature = "sqlite")]
        Backend::Sqlite { writer, .. } => migrate_sqlite(&mut writer.lock().await.connection).await?,
    };
    done.map_err(|source| Error::Migration { source })
}

#[cfg(feature = "postgres")]
async fn migrate_postgres(pool: &sqlx::PgPool) -> Result<std::result::Result<(), MigrateError>> {
    use sqlx::Executor as _;

    let unreachable = |source| Error::Unreachable { source };
    let mut migrator = Migrator::with_migrations(for_postgres());
    migrator.dangerous_set_table_name("tasker.migrations");
    let mut connection = pool.acquire().await.map_err(unreachable)?;
    // That something is there already is nothing to tell.
    connection.execute("set client_min_messages = warning").await.map_err(unreachable)?;
    // PostgreSQL asks for the right to create it even where it is there already.
    let there = sqlx::query_scalar("select to_regnamespace('tasker') is not null");
    let there: bool = there.fetch_one(&mut *connection).await.map_err(unreachable)?;
    if !there {
        migrator.create_schema("tasker");
    }
    Ok(migrator.run_direct(None, &mut *connection, false).await)
}

/// Applies what is missing where only a transaction keeps a connection of the server: all of it in one.
#[cfg(feature = "postgres")]
async fn through_pooler(store: &Store) -> Result<()> {
    let mut connection = store.writer().await?;
    let applied = connection.transaction(async |connection| {
        // Whoever waited for this finds what was applied meanwhile.
        connection.fetch(&sql::MIGRATION_LOCK, &[]).await?;
        let schema = connection.fetch_first(&sql::SCHEMA_IS_THERE, &[]).await?;
        let there = |column| schema.as_ref().map_or(Ok(0), |row| row.int(column)).map(|there| there == 1);
        if !there(0)? {
            connection.run_plain("create schema tasker").await?;
        }
        let known =
            if there(1)? { connection.fetch(&sql::APPLIED_MIGRATIONS, &[]).await? } else { Vec::new() };
        let known: Vec<i64> = known.iter().map(|row| row.int(0)).collect::<Result<_>>()?;
        if !there(1)? {
            connection.run_plain(TABLE).await?;
        }
        for migration in for_postgres().iter().filter(|migration| !known.contains(&migration.version)) {
            connection.run_plain(migration.sql.as_str()).await?;
            let checksum: String = migration.checksum.iter().map(|byte| format!("{byte:02x}")).collect();
            let values = values![migration.version, &*migration.description, &*checksum];
            connection.execute(&sql::ADD_MIGRATION, values).await?;
        }
        Ok::<_, Error>(())
    });
    applied.await
}

/// As sqlx makes it.
#[cfg(feature = "postgres")]
const TABLE: &str = "create table tasker.migrations (version bigint primary key, description text not null, \
                     installed_on timestamptz not null default now(), success boolean not null, \
                     checksum bytea not null, execution_time bigint not null)";

#[cfg(feature = "sqlite")]
async fn migrate_sqlite(
    writer: &mut sqlx::SqliteConnection,
) -> Result<std::result::Result<(), MigrateError>> {
    use sqlx::Connection as _;

    let migrator = Migrator::with_migrations(for_sqlite());
    // SQLite has no lock for migrations as PostgreSQL has: a transaction that writes from the start is one.
    let locked = writer.begin_with("begin immediate").await;
    let mut transaction = locked.map_err(|source| Error::Unreachable { source })?;
    Ok(match migrator.run_direct(None, &mut *transaction, false).await {
        Ok(()) => transaction.commit().await.map_err(MigrateError::from),
        Err(error) => Err(error),
    })
}

#[cfg(feature = "postgres")]
pub(super) fn for_postgres() -> Vec<Migration> {
    migrations!("postgres": 1 "0001_tables", 2 "0002_step_states", 3 "0003_answers", 4 "0004_offer_targets", 5 "0005_phases",
        6 "0006_offer_deaths", 7 "0007_signals", 8 "0008_schedules", 9 "0009_turns", 10 "0010_looking_back",
        11 "0011_children", 12 "0012_events", 13 "0013_reasons", 14 "0014_rounds")
}

#[cfg(feature = "sqlite")]
pub(super) fn for_sqlite() -> Vec<Migration> {
    migrations!("sqlite": 1 "0001_tables", 2 "0002_step_states", 3 "0003_answers", 4 "0004_offer_targets", 5 "0005_phases",
        6 "0006_offer_deaths", 7 "0007_held", 8 "0008_signals", 9 "0009_schedules", 10 "0010_turns",
        11 "0011_looking_back", 12 "0012_children", 13 "0013_events", 14 "0014_reasons", 15 "0015_rounds")
}

/// Whether every migration was applied as it stands here; then nothing is locked and no right to create
/// anything is needed. The first word with the database: it says at once when that does not answer.
async fn is_current(store: &Store) -> Result<bool> {
    let (mut connection, known) = match &store.backend {
        #[cfg(feature = "postgres")]
        Backend::Postgres { options, pooler, .. } => {
            let own = super::postgres::connect(options).await?;
            let own = super::Connection::new(super::Link::Postgres(Box::new(own)));
            (own.behind(*pooler), for_postgres())
        }
        #[cfg(feature = "sqlite")]
        Backend::Sqlite { .. } => (store.writer().await?, for_sqlite()),
    };
    let rows = match connection.fetch(&sql::APPLIED_MIGRATIONS, &[]).await {
        Ok(rows) => rows,
        Err(error) if error.is_missing_table() => return Ok(false),
        Err(error) => return Err(error),
    };
    let newest = known.iter().map(|known| known.version).max().unwrap_or_default();
    let found =
        rows.iter().map(|row| row.int(0)).try_fold(0, |newest, row| row.map(|row| newest.max(row)))?;
    if found > newest {
        return Err(Error::Newer { found, known: newest });
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(rows.len() == known.len()
        && rows.iter().zip(&known).all(|(row, known)| {
            row.int(0).is_ok_and(|version| version == known.version)
                && row.text(1).is_ok_and(|checksum| checksum == hex(&known.checksum))
        }))
}
