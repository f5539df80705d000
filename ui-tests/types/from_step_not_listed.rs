use tasker_runtime::prelude::*;

#[step_handler]
async fn mill() -> u64 {
    7
}

#[derive(FromStep)]
struct Kneading {
    #[depends_on(mill)]
    flour: u64,
}

#[derive(FromStep)]
struct Baking {
    kneading: Kneading,
    #[depends_on("oven")]
    oven: u64,
}

#[step_handler]
async fn bake(baking: Baking) -> u64 {
    baking.kneading.flour + baking.oven
}

workflow!(bread = [bake]);

fn main() {}
