//! SQLite: how its file is opened, what its URL may say, and how a statement is sent to it.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use percent_encoding::percent_decode_str;
use sqlx::{
    ConnectOptions, Executor, Sqlite, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Mutex;

use super::{Error, Options, PATIENCE, Result, Row, Statement, Value, db::note_statement, error};
use crate::config::redact;

/// The one connection that writes to a SQLite database.
pub(super) struct Writer {
    pub connection: SqliteConnection,
    /// Whoever had it before dropped it in the middle of a transaction.
    pub open: bool,
}

impl Writer {
    pub(super) fn new(connection: SqliteConnection) -> Self {
        Self { connection, open: false }
    }
}

/// The writer; those who only read, nobody where the database is in memory, which is its one connection; and how to
/// open it once more.
type Opened = (Arc<Mutex<Writer>>, Option<SqlitePool>, Box<SqliteConnectOptions>);

/// Opens the database.
pub(super) async fn open(
    connect: SqliteConnectOptions,
    path: Option<&Path>,
    options: Options,
) -> Result<Opened> {
    let sync = if options.full_sync { SqliteSynchronous::Full } else { SqliteSynchronous::Normal };
    let connect = connect
        .create_if_missing(true)
        .synchronous(sync)
        .busy_timeout(PATIENCE)
        .foreign_keys(false)
        .disable_statement_logging();
    let unopened = |source| match path {
        Some(path) => unopened(path, source),
        None => Error::Unreachable { source },
    };
    let mut writer = connect.connect().await.map_err(unopened)?;
    if path.is_some() {
        keep_a_log(&mut writer).await.map_err(unopened)?;
    }
    let writer = Arc::new(Mutex::new(Writer::new(writer)));
    let readers = path
        .is_some()
        .then(|| SqlitePoolOptions::new().max_connections(options.pool_size.clamp(1, 4)))
        .map(|pool| pool.test_before_acquire(false).connect_lazy_with(connect.clone()));
    Ok((writer, readers, Box::new(connect)))
}

/// One more connection that writes.
pub(super) async fn another(connect: &SqliteConnectOptions) -> Result<Arc<Mutex<Writer>>> {
    let writer = connect.connect().await.map_err(|source| Error::Unreachable { source })?;
    Ok(Arc::new(Mutex::new(Writer::new(writer))))
}

/// Has a SQLite file write ahead to a log, for good. While another process makes this very change to a new
/// file, SQLite refuses it at once, where it would wait for any other lock.
async fn keep_a_log(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let begun = Instant::now();
    loop {
        match connection.execute("pragma journal_mode = wal").await {
            Err(error) if error::is_busy(&error) && begun.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            done => return done.map(drop),
        }
    }
}

/// Runs a statement and returns how many rows it wrote.
pub(super) async fn written(c: &mut SqliteConnection, sql: &Statement, values: &[Value<'_>]) -> Result<u64> {
    let done = bind(sql.sqlite(), values).execute(c).await;
    done.map(|done| done.rows_affected()).map_err(|error| Error::statement(sql, error))
}

/// The rows of a statement.
pub(super) async fn rows(
    connection: &mut SqliteConnection,
    sql: &Statement,
    values: &[Value<'_>],
) -> Result<Vec<Row>> {
    let rows = bind(sql.sqlite(), values).fetch_all(connection).await;
    Ok(rows.map_err(|error| Error::statement(sql, error))?.into_iter().map(Row::Sqlite).collect())
}

type Query = sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments>;

fn bind(sql: &'static str, values: &[Value<'_>]) -> Query {
    note_statement();
    let json = |json: serde_json::Result<String>| json.unwrap_or_default();
    let mut query = sqlx::query(sql);
    for value in values {
        query = match value {
            Value::Int(v) => query.bind(*v),
            Value::MaybeInt(v) => query.bind(*v),
            Value::Text(v) => query.bind((*v).to_owned()),
            Value::MaybeText(v) => query.bind(v.map(str::to_owned)),
            Value::Uuid(v) => query.bind(v.to_string()),
            Value::Ints(v) => query.bind(json(serde_json::to_string(v))),
            Value::Texts(v) => query.bind(json(serde_json::to_string(v))),
            Value::Rows(rows) => query.bind(rows.to_json()),
        };
    }
    query
}

/// What a URL says: itself with an absolute path, how to open the database, and its file unless it is in memory.
type Read = (String, SqliteConnectOptions, Option<PathBuf>);

/// Reads what stands behind `sqlite:` in a URL.
pub(super) fn read_url(rest: &str) -> std::result::Result<Read, String> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (file, query) = rest.split_once('?').unwrap_or((rest, ""));
    let name =
        percent_decode_str(file).decode_utf8().map_err(|_| "the path is not valid UTF-8".to_owned())?;
    let mut in_memory = name == ":memory:";
    for parameter in query.split('&').map(|parameter| parameter.replace('+', " ")) {
        match &*percent_decode_str(&parameter).decode_utf8_lossy() {
            "mode=memory" => in_memory = true,
            "mode=ro" | "immutable=1" | "immutable=true" => {
                return Err(
                    "a database that is only read cannot hold tasks: leave `mode` and `immutable` out"
                        .to_owned(),
                );
            }
            _ => {}
        }
    }
    let options = |url: &str| {
        SqliteConnectOptions::from_str(url).map_err(|error| match error {
            sqlx::Error::Configuration(why) => redact(&why.to_string()),
            _ => "it cannot be read".to_owned(),
        })
    };
    if in_memory {
        // Under its plain name, however it is encoded: the driver gives each such database a name of its own.
        let question = if query.is_empty() { "" } else { "?" };
        let url = format!("sqlite://:memory:{question}{query}");
        let options = options(&url)?;
        return Ok((url, options, None));
    }
    if name.trim().is_empty() {
        return Err("it names no file; if a variable stands in it, that may not be set".to_owned());
    }
    if name.starts_with("file:") || name.contains('\0') {
        return Err("write the path of the file alone, as in sqlite://file.db".to_owned());
    }
    let path = std::path::absolute(&*name).map_err(|error| error.to_string())?;
    let question = if query.is_empty() { "" } else { "?" };
    let url = format!("sqlite://{}{question}{query}", encoded(&path));
    let options = options(&url)?.filename(&path);
    Ok((url, options, Some(path)))
}

/// A path as a URL writes it, as far as it must.
pub(super) fn encoded(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3F")
}

/// Why SQLite could not open this file, where that can be told.
pub(super) fn unopened(path: &Path, source: sqlx::Error) -> Error {
    let parent = path.parent().unwrap_or(path);
    let code = source.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    let problem = match code.map(|code| code & 0xff) {
        Some(CANTOPEN) if path.is_dir() => "is a folder: name a file in it".to_owned(),
        Some(CANTOPEN) if !parent.is_dir() => {
            format!("cannot be created: there is no folder {}", parent.display())
        }
        Some(CANTOPEN | PERMISSION) => {
            "cannot be opened: this user may not read and write it, or not create files in its folder"
                .to_owned()
        }
        Some(READONLY) => "cannot be written: the file or its folder is read-only".to_owned(),
        Some(NOT_A_DATABASE) => "is not a SQLite database".to_owned(),
        _ => return Error::Unreachable { source },
    };
    Error::File { path: path.to_owned(), problem }
}

/// Codes of SQLite.
const PERMISSION: i32 = 3;
const READONLY: i32 = 8;
const CANTOPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;
