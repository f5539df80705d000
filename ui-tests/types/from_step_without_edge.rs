use tasker_runtime::prelude::*;

#[step_handler]
async fn mill() -> u64 {
    7
}

#[derive(FromStep)]
struct Baking {
    #[depends_on(mill)]
    flour: u64,
}

#[step_handler]
async fn bake(baking: Baking) -> u64 {
    baking.flour
}

template!("from_step_without_edge.yaml", handlers = [mill, bake]);

fn main() {}
