//! Many rows as one parameter.

#[cfg(feature = "sqlite")]
use std::fmt::Write;

use uuid::Uuid;

use crate::model::Json;

/// Rows to hand to one statement: an array for each column on PostgreSQL (`unnest`), one JSON array of
/// rows on SQLite (`jsonb_each`).
#[derive(Debug, Default)]
pub(crate) struct Rows {
    columns: Vec<Column>,
}

#[derive(Debug)]
pub(crate) enum Column {
    Int(Vec<i64>),
    MaybeInt(Vec<Option<i64>>),
    Text(Vec<String>),
    MaybeText(Vec<Option<String>>),
    Json(Vec<Json>),
    Uuid(Vec<Uuid>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Int(v) => v.len(),
            Self::MaybeInt(v) => v.len(),
            Self::Text(v) => v.len(),
            Self::MaybeText(v) => v.len(),
            Self::Json(v) => v.len(),
            Self::Uuid(v) => v.len(),
        }
    }

    #[cfg(feature = "sqlite")]
    fn write_json(&self, row: usize, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Int(v) => write!(out, "{}", v[row]),
            Self::MaybeInt(v) => match v[row] {
                Some(int) => write!(out, "{int}"),
                None => out.write_str("null"),
            },
            Self::Text(v) => out.write_str(&quoted(&v[row])),
            Self::MaybeText(v) => match &v[row] {
                Some(text) => out.write_str(&quoted(text)),
                None => out.write_str("null"),
            },
            Self::Json(v) => out.write_str(v[row].as_str()),
            Self::Uuid(v) => write!(out, "\"{}\"", v[row]),
        };
    }
}

#[cfg(feature = "sqlite")]
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

impl Rows {
    /// Rows of these columns, all of one length.
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        debug_assert!(columns.windows(2).all(|pair| pair[0].len() == pair[1].len()));
        Self { columns }
    }

    /// The columns.
    #[cfg(feature = "postgres")]
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many rows there are.
    #[cfg(feature = "sqlite")]
    pub(crate) fn len(&self) -> usize {
        self.columns.first().map_or(0, Column::len)
    }

    #[cfg(feature = "sqlite")]
    pub(super) fn to_json(&self) -> String {
        let mut json = String::with_capacity(self.len() * 96 + 2);
        json.push('[');
        for row in 0..self.len() {
            json.push_str(if row == 0 { "[" } else { ",[" });
            for (number, column) in self.columns.iter().enumerate() {
                if number > 0 {
                    json.push(',');
                }
                column.write_json(row, &mut json);
            }
            json.push(']');
        }
        json.push(']');
        json
    }
}
