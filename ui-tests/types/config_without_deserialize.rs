use tasker_runtime::prelude::*;

struct Limits;

#[step_handler]
async fn charge(limits: Config<Limits>) {
    let _ = limits;
}

fn main() {}
