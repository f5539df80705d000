use tasker_runtime::prelude::*;

async fn simmer(minutes: u64) -> u64 {
    minutes
}

/// With another attribute it may be anything.
#[allow(dead_code)]
#[step_handler]
async fn season(minutes: u64) -> u64 {
    minutes
}

#[derive(FromStep)]
struct Pot {
    #[depends_on(simmer)]
    minutes: u64,
}

#[step_handler]
async fn ladle(#[depends_on(simmer)] minutes: u64, pot: Pot) -> u64 {
    minutes + pot.minutes
}

workflow!(soup = [simmer, season, ladle]);

fn main() {}
