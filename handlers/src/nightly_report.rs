//! A workflow that starts by itself: each night at half past two by the clock in Berlin. In the night in March in which
//! that time does not exist it starts at three, and in the one in October that has it twice it starts once.
//!
//! It is paused, so that nobody who tries the examples is surprised: `schedule resume shop/nightly_report`.

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

/// What the schedule gives to each of its tasks.
#[derive(Serialize, Deserialize)]
pub struct Night {
    /// When it was to start, by the clock in Berlin.
    pub at: String,
}

/// How many were sold on the day before.
#[derive(Serialize, Deserialize)]
pub struct Sales {
    /// The day, as `2026-03-29`.
    pub day: String,
    /// How many.
    pub sold: u64,
}

#[step_handler]
async fn nightly_count(night: Night) -> Result<Sales, StepError> {
    let (day, _) = night.at.split_once('T').or_permanent("NO_TIME")?;
    // What a shop would ask its database for.
    let sold = day.bytes().map(u64::from).sum();
    Ok(Sales { day: day.to_owned(), sold })
}

#[step_handler]
async fn nightly_write(#[depends_on(nightly_count)] sales: Sales) -> String {
    format!("{} were sold before {}", sales.sold, sales.day)
}

workflow!(
    pub nightly_report = [nightly_count, nightly_write],
    namespace = "shop",
    schedule(
        cron = "30 2 * * *",
        timezone = "Europe/Berlin",
        catch_up = "all",
        overlap = "allow",
        paused = true,
        input = r#"{"at": "{{scheduled_at}}"}"#,
    ),
);
