use tasker_runtime::prelude::*;

#[derive(Routes)]
enum Heat {
    #[route(bake)]
    Hot(u64),
    #[route(freeze)]
    Cold(String),
    #[route(freeze, thaw)]
    Colder,
}

#[step_handler]
#[decision]
async fn choose(degrees: u64) -> Heat {
    if degrees > 200 { Heat::Hot(degrees) } else { Heat::Cold("brr".to_owned()) }
}

#[step_handler]
async fn bake(#[depends_on(choose)] degrees: u64) -> u64 {
    degrees
}

#[step_handler]
async fn freeze(#[depends_on(choose)] degrees: u64) -> u64 {
    degrees
}

#[step_handler]
async fn thaw(#[depends_on(choose)] degrees: Option<u64>) -> Option<u64> {
    degrees
}

workflow!(cooking = [choose, bake, freeze, thaw]);

template!("routes_to_another.yaml", handlers = [choose, bake, freeze, thaw]);

fn main() {}
