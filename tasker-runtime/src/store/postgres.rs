//! PostgreSQL: how it is reached, what its URL may say, and how a statement is sent to it.

use std::{str::FromStr, time::Duration};

use percent_encoding::percent_decode_str;
use sqlx::{
    ConnectOptions, Connection as _, Executor, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions},
};

use super::{
    Error, Options, PATIENCE, Result, Row, Rows, Statement, Value,
    db::note_statement,
    pooler::{Pooler, Prepared, within},
    rows::Column,
};
use crate::config::redact;

/// The pool, which nothing is asked of yet, and how to open a connection beside it.
pub(super) fn open(
    connect: PgConnectOptions,
    pooler: Pooler,
    options: Options,
) -> (PgPool, Box<PgConnectOptions>) {
    // No number with a fraction is read: a setting less that poolers refuse.
    let connect = connect.application_name("tasker").extra_float_digits(None).disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(options.pool_size.max(1))
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            // Who looks at tasks goes by index too, whatever the statistics say.
            Box::pin(async move { set_up(connection, pooler).await })
        })
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                // One that was just used lives; asking it each time would double every short call.
                if meta.idle_for > Duration::from_secs(1) {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(connect.clone());
    (pool, Box::new(connect))
}

/// Plans that hold for every size of every table: lookups by index, joined row by row. Left to its
/// statistics, PostgreSQL turns claim and record to hash joins over whole tables now and then, and spends a second
/// on compiling a claim that takes a millisecond.
pub(super) const PINNED_PLANS: &str = "set plan_cache_mode = force_generic_plan; set enable_hashjoin = off; \
                            set enable_mergejoin = off; set enable_seqscan = off; set jit = off";

/// Has the server notice within half a minute that a connection is dead on which it sends or waits; a client that is
/// gone would keep its locks for hours.
const WATCHED: &str = "set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 3; \
                       set tcp_user_timeout = 30000";

/// Sets up a connection that is the server's own. Through a pooler of transactions each of these pins its own plans,
/// and the connections of others stay as they are.
async fn set_up(connection: &mut PgConnection, pooler: Pooler) -> sqlx::Result<()> {
    match pooler {
        // In one go: opening a connection is waited for.
        Pooler::None => {
            let settings = sqlx::AssertSqlSafe(format!("{PINNED_PLANS}; {WATCHED}"));
            connection.execute(sqlx::raw_sql(settings)).await.map(drop)
        }
        Pooler::OfTransactions => Ok(()),
    }
}

/// A connection with plans that hold, for one user alone; where the server has no room for it, in the place of an
/// idle one of `pool`, if one is given.
pub(super) async fn session(
    options: &PgConnectOptions,
    pooler: Pooler,
    pool: Option<&PgPool>,
) -> Result<PgConnection> {
    let mut connection = match (connect(options).await, pool) {
        (Err(error), Some(pool)) if error.is_full() && free_one(pool).await => connect(options).await?,
        (connected, _) => connected?,
    };
    set_up(&mut connection, pooler).await.map_err(|source| Error::Unreachable { source })?;
    Ok(connection)
}

/// Closes a connection of the pool that nobody uses, for one who cannot do without; false: there is none.
async fn free_one(pool: &PgPool) -> bool {
    match pool.try_acquire() {
        Some(idle) => idle.close().await.is_ok(),
        None => false,
    }
}

/// A connection of the pool.
pub(super) async fn acquire(pool: &PgPool, options: &PgConnectOptions) -> Result<PoolConnection<Postgres>> {
    match pool.acquire().await {
        Err(sqlx::Error::PoolTimedOut) => Err(why_none(options).await),
        acquired => acquired.map_err(|source| Error::Unreachable { source }),
    }
}

/// Why the pool came to no connection: it goes on trying, and does not say.
async fn why_none(options: &PgConnectOptions) -> Error {
    match tokio::time::timeout(Duration::from_secs(1), connect(options)).await {
        Ok(Err(why)) => why,
        // All of its connections are in use, or nothing answers.
        Ok(Ok(_)) | Err(_) => Error::Unreachable { source: sqlx::Error::PoolTimedOut },
    }
}

/// A connection beside the pool. It fails at once where the pool would go on trying until its patience ends.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    let connected = match tokio::time::timeout(PATIENCE, options.connect()).await {
        Ok(connected) => connected,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    };
    connected.map_err(|source| Error::Unreachable { source })
}

/// How long a PostgreSQL server may take to answer a statement. A connection on which nothing comes for so long is
/// given up, as one is whose other end is gone without a word.
const ANSWER: Duration = Duration::from_secs(30);

async fn in_time<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(ANSWER, answer).await.unwrap_or_else(|_| Err(Error::timed_out()))
}

/// Runs a statement and returns how many rows it wrote.
pub(super) async fn written(
    c: &mut PgConnection,
    sql: &Statement,
    values: &[Value<'_>],
    lives: Prepared,
) -> Result<u64> {
    let written = within(c, lives, async |c| {
        let query = bind(sql.postgres(), values).persistent(lives == Prepared::Kept);
        query.execute(c).await.map(|done| done.rows_affected())
    });
    in_time(async { written.await.map_err(|error| Error::statement(sql, error)) }).await
}

/// Runs statements without values in one go, unprepared.
pub(super) async fn plain(c: &mut PgConnection, sql: &Statement, text: &str) -> Result<()> {
    note_statement();
    let text = sqlx::AssertSqlSafe(text.to_owned());
    in_time(async {
        c.execute(sqlx::raw_sql(text)).await.map(drop).map_err(|error| Error::statement(sql, error))
    })
    .await
}

/// The rows of a statement, whenever they come.
pub(super) async fn rows(
    connection: &mut PgConnection,
    sql: &Statement,
    values: &[Value<'_>],
) -> Result<Vec<Row>> {
    let rows = bind(sql.postgres(), values).fetch_all(connection).await;
    Ok(rows.map_err(|error| Error::statement(sql, error))?.into_iter().map(Row::Postgres).collect())
}

/// The rows of a statement, if they come in time.
pub(super) async fn rows_in_time(
    c: &mut PgConnection,
    sql: &Statement,
    values: &[Value<'_>],
    lives: Prepared,
) -> Result<Vec<Row>> {
    let read = within(c, lives, async |c| {
        bind(sql.postgres(), values).persistent(lives == Prepared::Kept).fetch_all(c).await
    });
    let rows = in_time(async { read.await.map_err(|error| Error::statement(sql, error)) }).await?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

type Query = sqlx::query::Query<'static, Postgres, PgArguments>;

fn bind(sql: &'static str, values: &[Value<'_>]) -> Query {
    note_statement();
    let mut query = sqlx::query(sql);
    for value in values {
        query = match value {
            Value::Int(v) => query.bind(*v),
            Value::MaybeInt(v) => query.bind(*v),
            Value::Text(v) => query.bind((*v).to_owned()),
            Value::MaybeText(v) => query.bind(v.map(str::to_owned)),
            Value::Uuid(v) => query.bind(*v),
            Value::Ints(v) => query.bind(v.clone()),
            Value::Texts(v) => query.bind(v.clone()),
            Value::Rows(rows) => bind_columns(rows, query),
        };
    }
    query
}

/// An array for each column.
fn bind_columns(rows: &Rows, mut query: Query) -> Query {
    for column in rows.columns() {
        query = match column {
            Column::Int(v) => query.bind(v.clone()),
            Column::MaybeInt(v) => query.bind(v.clone()),
            Column::Text(v) => query.bind(v.clone()),
            Column::MaybeText(v) => query.bind(v.clone()),
            Column::Json(v) => query.bind(v.iter().map(|json| json.as_str().to_owned()).collect::<Vec<_>>()),
            Column::Uuid(v) => query.bind(v.clone()),
        };
    }
    query
}

/// What the driver knows. It logs the others with their values, which may be secrets.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Reads what stands behind `postgres:` in a URL.
pub(super) fn read_url(rest: &str) -> std::result::Result<(PgConnectOptions, Pooler), String> {
    let Some(rest) = rest.strip_prefix("//") else {
        return Err("write postgres://user@host/database, with two slashes".to_owned());
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let host = place.split(['/', '#']).next().and_then(|authority| authority.rsplit('@').next());
    if host.is_some_and(|host| host.contains(',')) {
        return Err("it names several hosts: name one".to_owned());
    }
    let query = query.split('#').next().unwrap_or_default();
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let mut pooler = Pooler::None;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let name = percent_decode_str(parameter.split('=').next().unwrap_or_default()).decode_utf8_lossy();
        if name == "statement-cache-capacity" && parameter.ends_with("=0") {
            pooler = Pooler::OfTransactions;
        }
        if PARAMETERS.contains(&&*name) || name.starts_with("options[") {
            known.push(parameter);
        } else {
            unknown.push(name.into_owned());
        }
    }
    if unknown.iter().any(|name| name.contains('@')) {
        return Err(ENCODE.to_owned());
    }
    if !unknown.is_empty() {
        // A URL is read several times, and again at each try to reach a database that is away.
        static TOLD: std::sync::Once = std::sync::Once::new();
        TOLD.call_once(|| {
            tracing::warn!("these parameters of the database URL are ignored: {}", unknown.join(", "));
        });
    }
    let question = if known.is_empty() { "" } else { "?" };
    let options = PgConnectOptions::from_str(&format!("postgres://{place}{question}{}", known.join("&")));
    options.map(|options| (options, pooler)).map_err(|error| {
        let why = match error {
            sqlx::Error::Configuration(why) => redact(&why.to_string()),
            _ => "it cannot be read".to_owned(),
        };
        format!("{why}; {ENCODE}")
    })
}

const ENCODE: &str =
    "in a user name or a password write `%40` for `@`, `%2F` for `/`, `%3F` for `?`, `%23` for `#`";
