//! Keeps the contents of templates, so that a task stays with the one it started with.

use sha2::{Digest, Sha256};

use crate::{
    model::Timestamp,
    store::{Connection, Result, sql, values},
    template::Template,
};

/// What became of a template that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// New tasks start with it, under this number.
    As(i64),
    /// The same name and version is kept with other content, and tasks that are not over began with it.
    Differs,
}

/// The digest of a template's content.
pub(crate) fn digest(content: &str) -> String {
    Sha256::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keeps `template`. Another content under its name and version is followed where no open task began with it, or
/// with `replace`.
pub(crate) async fn keep(
    connection: &mut Connection,
    template: &Template,
    now: Timestamp,
    replace: bool,
) -> Result<Kept> {
    let content = template.to_pinned();
    let digest = digest(&content);
    let (namespace, name) = (template.namespace(), template.name());
    let version = template.version().to_string();
    let of_version = values![namespace, name, &*version];
    let versions = connection.fetch(&sql::TEMPLATE_VERSIONS, of_version).await?;
    let newest = versions.first().map(|row| row.text(1)).transpose()?;
    let changed = newest.is_some_and(|newest| newest != digest);
    if changed && !replace {
        let of_others = values![namespace, name, &*version, &*digest];
        if connection.fetch_first(&sql::OPEN_TASK_OF, of_others).await?.is_some() {
            return Ok(Kept::Differs);
        }
    }
    for row in &versions {
        if row.text(1)? == digest {
            return row.int(0).map(Kept::As);
        }
    }
    let values = values![namespace, name, &*version, &*digest, &*content, now.as_micros()];
    connection.execute(&sql::PUT_TEMPLATE, values).await?;
    for row in connection.fetch(&sql::TEMPLATE_VERSIONS, of_version).await? {
        if row.text(1)? == digest {
            return row.int(0).map(Kept::As);
        }
    }
    Ok(Kept::Differs)
}

/// The content a task with this template number started with.
pub(crate) async fn content(connection: &mut Connection, number: i64) -> Result<Option<String>> {
    let row = connection.fetch_first(&sql::TEMPLATE_CONTENT, values![number]).await?;
    row.map(|row| row.text(0).map(str::to_owned)).transpose()
}
