//! A team is taken on: for each of its members another workflow is started, three at once. One whose name is taken does
//! not complete, and the welcome says so; everybody else has an account and a desk all the same.

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

/// Who starts.
#[derive(Serialize, Deserialize)]
pub struct Team {
    /// What it is called.
    pub name: String,
    /// Those who belong to it.
    pub members: Vec<String>,
}

/// One who starts.
#[derive(Serialize, Deserialize)]
pub struct Member {
    /// The name.
    pub name: String,
    /// The team.
    pub team: String,
}

/// What each of them has in the end.
#[derive(Serialize, Deserialize)]
pub struct Place {
    /// The account.
    pub account: String,
    /// Where to sit.
    pub desk: u32,
}

#[step_handler]
async fn member_account(member: Member) -> Result<String, StepError> {
    let account = member.name.to_lowercase();
    // What a directory would say.
    if account == "root" {
        return Err(StepError::permanent("NAME_TAKEN", format!("`{account}` is taken")));
    }
    Ok(account)
}

#[step_handler]
async fn member_desk(#[depends_on(member_account)] account: String) -> Place {
    let desk = account.bytes().map(u32::from).sum::<u32>() % 100;
    Place { account, desk }
}

workflow!(pub member_onboarding = [member_account, member_desk], namespace = "people", on_failure = "fail");

#[step_handler]
async fn team_plan(team: Team) -> Vec<Member> {
    let member = |name| Member { name, team: team.name.clone() };
    team.members.into_iter().map(member).collect()
}

/// A task for each of them.
#[child_workflow(run = member_onboarding, returns = Place, parallelism = 3, on_failure = "collect")]
async fn team_places(#[depends_on(team_plan)] members: Vec<Member>) -> Vec<Member> {
    members
}

#[step_handler]
async fn team_welcome(#[depends_on(team_places)] places: Vec<Result<Place, ChildFailure>>) -> String {
    let lines = places.iter().map(|place| match place {
        Ok(place) => format!("{} sits at {}", place.account, place.desk),
        Err(failure) => format!("one has no account ({})", failure.cause.as_deref().unwrap_or("no cause")),
    });
    lines.collect::<Vec<_>>().join("; ")
}

workflow!(pub team_onboarding = [team_plan, team_places, team_welcome], namespace = "people");
