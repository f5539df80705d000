//! The keys by which the service knows who asks.

use crate::{
    model::Timestamp,
    store::{Connection, Error, Result, Row, sql, values},
};

/// A key as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub id: String,
    pub name: String,
    /// The SHA-256 of the whole key, in hexadecimal digits.
    pub digest: String,
    pub permissions: Vec<String>,
    /// `None`: all of them.
    pub namespaces: Option<Vec<String>>,
    pub created_at: Timestamp,
    pub created_by: String,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

impl Stored {
    fn read(row: &Row) -> Result<Self> {
        let id = row.text(0)?.to_owned();
        let list = |text: &str| {
            let corrupt = |_| Error::Corrupt { what: format!("what the key {id} may do") };
            serde_json::from_str::<Vec<String>>(text).map_err(corrupt)
        };
        let time = |column| Ok::<_, Error>(row.maybe_int(column)?.map(Timestamp::from_micros));
        Ok(Self {
            name: row.text(1)?.to_owned(),
            digest: row.text(2)?.to_owned(),
            permissions: list(row.text(3)?)?,
            namespaces: row.maybe_text(4)?.map(list).transpose()?,
            created_at: Timestamp::from_micros(row.int(5)?),
            created_by: row.text(6)?.to_owned(),
            expires_at: time(7)?,
            revoked_at: time(8)?,
            last_used_at: time(9)?,
            id,
        })
    }
}

/// Keeps a key; `false` when its id is taken.
pub(crate) async fn add(connection: &mut Connection, key: &Stored) -> Result<bool> {
    let list = |names: &[String]| serde_json::to_string(names).unwrap_or_default();
    let (permissions, namespaces) = (list(&key.permissions), key.namespaces.as_deref().map(list));
    let values = values![
        &*key.id,
        &*key.name,
        &*key.digest,
        &*permissions,
        namespaces.as_deref(),
        key.created_at.as_micros(),
        &*key.created_by,
        key.expires_at.map(Timestamp::as_micros)
    ];
    Ok(connection.execute(&sql::ADD_API_KEY, values).await? == 1)
}

/// The key with this id.
pub(crate) async fn find(connection: &mut Connection, id: &str) -> Result<Option<Stored>> {
    connection.fetch_first(&sql::API_KEY, values![id]).await?.as_ref().map(Stored::read).transpose()
}

/// At most `limit` keys by id, those after one.
pub(crate) async fn list(connection: &mut Connection, after: &str, limit: i64) -> Result<Vec<Stored>> {
    connection.fetch(&sql::API_KEYS, values![after, limit]).await?.iter().map(Stored::read).collect()
}

/// Ends a key; `false` when there is none with this id.
pub(crate) async fn revoke(connection: &mut Connection, id: &str, now: Timestamp) -> Result<bool> {
    Ok(connection.execute(&sql::REVOKE_API_KEY, values![id, now.as_micros()]).await? == 1)
}

/// A minute, in microseconds.
const MINUTE: i64 = 60_000_000;

/// Notes that a key was used, unless that was noted within the last minute.
pub(crate) async fn note_use(connection: &mut Connection, id: &str, now: Timestamp) -> Result<()> {
    let now = now.as_micros();
    connection.execute(&sql::USE_API_KEY, values![id, now, now.saturating_sub(MINUTE)]).await.map(drop)
}
