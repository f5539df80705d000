use tasker_runtime::prelude::*;

#[step_handler]
#[compensates]
async fn nothing() {}

#[step_handler]
#[compensates(charge, ship)]
async fn two() {}

#[compensates("")]
#[step_handler]
async fn empty() {}

fn main() {}
