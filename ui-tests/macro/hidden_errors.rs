use std::collections::HashMap;

use tasker_runtime::prelude::*;

#[step_handler]
async fn weigh(grams: u64) -> Option<Result<u64, StepError>> {
    Some(Ok(grams))
}

#[step_handler]
async fn parcel() -> Result<Vec<Result<u8, String>>, StepError> {
    Ok(Vec::new())
}

#[step_handler]
async fn quote() -> (u8, Result<char, std::fmt::Error>) {
    (1, Ok('a'))
}

#[step_handler]
async fn invoice() -> Result<Result<bool, StepError>, StepError> {
    Ok(Ok(true))
}

#[step_handler]
async fn deep() -> Option<HashMap<String, [std::result::Result<i64, StepError>; 2]>> {
    None
}

fn main() {}
