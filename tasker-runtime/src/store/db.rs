//! The seam between the engine and its two databases: here and in [`connection`](super::connection) stands the
//! only `match` on a back end.
//!
//! A statement is text with `$1`, `$2`, … and has one form for both databases or a twin for each; a
//! script is a few statements in a transaction. Everything above this file knows neither sqlx nor which
//! database it talks to.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

#[cfg(feature = "sqlite")]
use sqlx::sqlite::SqliteRow;
#[cfg(feature = "postgres")]
use sqlx::{Column as _, TypeInfo as _, postgres::PgRow};
use sqlx::{Row as _, ValueRef as _};
use uuid::Uuid;

use super::{Error, Result, Rows};
use crate::model::{Json, StepIndex, TaskState};

/// One statement, as text for each database.
#[derive(Debug)]
pub(crate) struct Statement {
    postgres: &'static str,
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "nobody reads it"))]
    sqlite: Option<&'static str>,
    /// The shared text without its schema, which SQLite does not know.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "nobody reads it"))]
    bare: OnceLock<&'static str>,
}

impl Statement {
    pub(crate) const fn shared(text: &'static str) -> Self {
        Self { postgres: text, sqlite: None, bare: OnceLock::new() }
    }

    pub(crate) const fn twin(postgres: &'static str, sqlite: &'static str) -> Self {
        Self { postgres, sqlite: Some(sqlite), bare: OnceLock::new() }
    }

    pub(super) fn postgres(&self) -> &'static str {
        text(self.postgres)
    }

    /// The text for SQLite; the shared one is freed of its schema once and kept for good.
    #[cfg(feature = "sqlite")]
    pub(super) fn sqlite(&self) -> &'static str {
        text(self.sqlite.unwrap_or_else(|| {
            self.bare.get_or_init(|| Box::leak(self.postgres.replace("tasker.", "").into_boxed_str()))
        }))
    }
}

#[cfg(feature = "test-unfenced")]
use super::unfenced::text;

#[cfg(not(feature = "test-unfenced"))]
const fn text(text: &'static str) -> &'static str {
    text
}

/// A value to bind, in the order of `$1`, `$2`, ….
#[derive(Debug)]
pub(crate) enum Value<'a> {
    Int(i64),
    MaybeInt(Option<i64>),
    Text(&'a str),
    MaybeText(Option<&'a str>),
    Uuid(Uuid),
    /// One array on PostgreSQL, one JSON array on SQLite.
    Ints(Vec<i64>),
    /// One array on PostgreSQL, one JSON array on SQLite.
    Texts(Vec<String>),
    /// One array for each column on PostgreSQL, one JSON array of rows on SQLite.
    Rows(&'a Rows),
}

macro_rules! value_from {
    ($($type:ty => $variant:ident),+ $(,)?) => {
        $(impl<'a> From<$type> for Value<'a> {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        })+
    };
}
value_from!(i64 => Int, Option<i64> => MaybeInt, &'a str => Text, Option<&'a str> => MaybeText, Uuid => Uuid,
    Vec<i64> => Ints, Vec<String> => Texts, &'a Rows => Rows);

/// The values of a statement, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::Value::from($value)),*] };
}
pub(crate) use values;

/// Statements that this process has sent to any database.
static SENT: AtomicU64 = AtomicU64::new(0);

/// How many statements this process has sent to databases since it started.
pub(crate) fn statements_sent() -> u64 {
    SENT.load(Ordering::Relaxed)
}

/// Counts a statement that is about to be sent.
pub(super) fn note_statement() {
    SENT.fetch_add(1, Ordering::Relaxed);
}

/// A row of a result; columns count from 0.
pub(crate) enum Row {
    #[cfg(feature = "postgres")]
    Postgres(PgRow),
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteRow),
}

impl Row {
    /// An integer of any width.
    pub(crate) fn int(&self, column: usize) -> Result<i64> {
        let read = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(row) => row.try_get(column),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => match row.columns().get(column).map(|c| c.type_info().name()) {
                Some("INT2") => row.try_get::<i16, _>(column).map(i64::from),
                Some("INT4") => row.try_get::<i32, _>(column).map(i64::from),
                Some("BOOL") => row.try_get::<bool, _>(column).map(i64::from),
                _ => row.try_get(column),
            },
        };
        read.map_err(Error::row)
    }

    /// An integer of any width, or nothing where the column is null.
    pub(crate) fn maybe_int(&self, column: usize) -> Result<Option<i64>> {
        let null = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(row) => row.try_get_raw(column).map(|value| value.is_null()),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get_raw(column).map(|value| value.is_null()),
        };
        if null.map_err(Error::row)? { Ok(None) } else { self.int(column).map(Some) }
    }

    /// The number of a step. `place` names the column it stands in, as `steps.step`.
    pub(crate) fn step(&self, column: usize, place: &'static str) -> Result<StepIndex> {
        let code = self.int(column)?;
        StepIndex::stored(code).ok_or_else(|| Error::corrupt(place, code, "is not the number of a step"))
    }

    /// A count, of attempts or of anything else.
    pub(crate) fn count(&self, column: usize, place: &'static str) -> Result<u32> {
        let count = self.int(column)?;
        u32::try_from(count).map_err(|_| Error::corrupt(place, count, "is out of range"))
    }

    /// The state of a task, whose phase and whose holder stand in these columns.
    pub(crate) fn state(&self, phase: usize, owner: usize) -> Result<TaskState> {
        let code = self.int(phase)?;
        let state = i16::try_from(code).ok().and_then(TaskState::from_code);
        let state = state.ok_or_else(|| Error::corrupt("runs.state", code, "is not a state of tasks"))?;
        Ok(state.shown(self.maybe_int(owner)?.is_some()))
    }

    /// A JSON document. PostgreSQL takes nothing else into its column.
    pub(crate) fn json(&self, column: usize, place: &'static str) -> Result<Json> {
        let text = self.text(column)?;
        let is_checked = match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => false,
        };
        if !is_checked {
            let read: serde_json::Result<&serde_json::value::RawValue> = serde_json::from_str(text);
            read.map_err(|problem| Error::corrupt(place, "text", format!("is not JSON: {problem}")))?;
        }
        Ok(Json::stored(text))
    }

    /// Text.
    pub(crate) fn text(&self, column: usize) -> Result<&str> {
        self.maybe_text(column).map(Option::unwrap_or_default)
    }

    /// Text, or nothing where the column is null.
    pub(crate) fn maybe_text(&self, column: usize) -> Result<Option<&str>> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(row) => row.try_get(column),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(Error::row)
    }

    /// A UUID.
    pub(crate) fn uuid(&self, column: usize) -> Result<Uuid> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column).map_err(Error::row),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(row) => {
                let text: &str = row.try_get(column).map_err(Error::row)?;
                Uuid::parse_str(text).map_err(|error| Error::row(sqlx::Error::Decode(error.into())))
            }
        }
    }
}
