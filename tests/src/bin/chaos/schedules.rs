//! The schedules of a run: some that tick each second, whatever happens, until it ends.

use std::time::Duration;

use serde_json::json;
use tasker_runtime::{
    Tasker,
    api::ScheduleError,
    template::{CatchUp, Overlap, Schedule},
};

use super::{
    Outcome,
    workflows::{NAMESPACE, TICKING},
};

fn name(number: u32) -> String {
    format!("tick_{number}")
}

/// Makes so many schedules.
pub(crate) async fn make(tasker: &Tasker, count: u32) -> Outcome<()> {
    for number in 0..count {
        let input = json!({"n": number, "schedule": "{{schedule}}", "tick": "{{scheduled_at}}"});
        let mut schedule = Schedule::cron("* * * * * *").name(name(number)).input(input);
        (schedule.overlap, schedule.catch_up) = (Overlap::Allow, CatchUp::All);
        tasker.schedules().create(&format!("{NAMESPACE}/{TICKING}"), schedule).await?;
    }
    Ok(())
}

/// Lets them tick no more. What is in doubt is done again.
pub(crate) async fn end(tasker: &Tasker, count: u32) -> Outcome<()> {
    for number in 0..count {
        let mut tries = 0;
        loop {
            match tasker.schedules().pause(&name(number)).await {
                Ok(_) => break,
                Err(ScheduleError::Store(_)) if tries < 600 => tries += 1,
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}
