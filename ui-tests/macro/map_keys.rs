use std::collections::{BTreeMap, HashMap};

use tasker_runtime::prelude::*;

#[step_handler]
async fn chart(squares: u32) -> BTreeMap<(u32, u32), u32> {
    (0..squares).map(|square| ((square, square), square)).collect()
}

#[step_handler]
async fn sum_up(#[depends_on("chart")] heights: Option<HashMap<[u8; 2], u32>>) -> Result<Vec<u32>, StepError> {
    Ok(heights.unwrap_or_default().into_values().collect())
}

#[step_handler]
async fn look_up(known: State<HashMap<(u8, u8), String>>) -> u64 {
    known.len() as u64
}

fn main() {}
