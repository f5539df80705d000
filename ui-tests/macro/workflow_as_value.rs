use tasker_runtime::prelude::*;

#[step_handler]
async fn knead(grams: u64) -> u64 {
    grams
}

fn main() {
    let bread = workflow!(baking = [knead]);
    drop(bread);
}
