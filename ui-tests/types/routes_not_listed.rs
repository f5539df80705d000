use tasker_runtime::prelude::*;

#[step_handler]
async fn bake() {}

#[step_handler]
async fn grill() {}

#[derive(Routes)]
enum Heat {
    #[route(bake)]
    Hot,
    #[route(grill)]
    Hotter,
}

#[step_handler]
#[decision]
async fn choose(degrees: u64) -> Heat {
    if degrees > 200 { Heat::Hotter } else { Heat::Hot }
}

workflow!(cooking = [choose, bake]);

fn main() {}
