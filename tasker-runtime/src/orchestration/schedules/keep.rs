//! The schedules that templates say.

use std::collections::HashMap;

use semver::Version;

use super::{New, TickTasks, lock, put};
use crate::{
    model::Timestamp,
    registry::catalog::{Catalog, full_name},
    store::{Connection, Result, sql, values},
    template::{Schedule, Template, Ticks},
};

/// A schedule that is kept for a template.
struct Kept {
    template: String,
    version: Version,
    definition: String,
}

impl Kept {
    /// Whether a template of this version may say otherwise: while programs of two versions run, the newer one says.
    fn yields_to(&self, version: &Version) -> bool {
        self.version <= *version
    }
}

/// Keeps the schedules of the templates of this program. One that a template does not say any more is dropped, one that
/// changed counts from now on; what an operator paused stays so.
pub(crate) async fn keep(connection: &mut Connection, catalog: &Catalog, now: Timestamp) -> Result<()> {
    // A program without templates has nothing to say, and asks nothing: it may look at tables of before.
    if catalog.iter().next().is_none() {
        return Ok(());
    }
    let mut kept = HashMap::new();
    for row in connection.fetch(&sql::TEMPLATE_SCHEDULES, &[]).await? {
        let version = row.text(2)?.parse().unwrap_or(Version::new(0, 0, 0));
        let (template, definition) = (row.text(1)?.to_owned(), row.text(3)?.to_owned());
        kept.insert(row.text(0)?.to_owned(), Kept { template, version, definition });
    }
    for template in catalog.iter() {
        let full = full_name(template);
        for schedule in template.schedules() {
            let name = schedule.name.as_deref().unwrap_or(&full);
            let definition = serde_json::to_string(schedule).unwrap_or_default();
            let same = |kept: &Kept| kept.template == full && kept.definition == definition;
            match kept.remove(name) {
                Some(kept) if same(&kept) || !kept.yields_to(template.version()) => {}
                _ => say(connection, (&full, template), name, schedule, now).await?,
            }
        }
        let gone = kept.extract_if(|_, kept| kept.template == full && kept.yields_to(template.version()));
        for (name, _) in gone.collect::<Vec<_>>() {
            connection.execute(&sql::DELETE_SCHEDULE, values![&*name]).await?;
        }
    }
    Ok(())
}

/// Keeps what a template says in the place of what stands there, unless that belongs to another one.
async fn say(
    connection: &mut Connection,
    (full, template): (&str, &Template),
    name: &str,
    schedule: &Schedule,
    now: Timestamp,
) -> Result<()> {
    // What a template says was checked when it was read.
    let Ok(ticks) = Ticks::of(schedule) else { return Ok(()) };
    let version = template.version().to_string();
    let taken = connection
        .transaction(async |connection| {
            let before = lock(connection, name).await?;
            if let Some(other) =
                before.as_ref().filter(|before| before.version.is_none() || before.template != full)
            {
                return Ok(Some(other.template.clone()));
            }
            let paused = before.map_or(schedule.paused, |before| before.paused);
            let tasks = TickTasks { name, template: full, schedule, ticks: &ticks };
            put(connection, New { tasks, version: Some(&version), paused }, now).await.map(|()| None)
        })
        .await?;
    if let Some(other) = taken {
        tracing::warn!(schedule = name, template = full, %other, "a schedule of this name starts tasks of another template: this one is left out");
    }
    Ok(())
}
