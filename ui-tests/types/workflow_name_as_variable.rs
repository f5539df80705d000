use tasker_runtime::prelude::*;

#[step_handler]
async fn carve(grams: u64) -> u64 {
    grams
}

workflow!(statue = [carve]);

fn main() {
    let statue = 7;
    let _ = statue;
}
