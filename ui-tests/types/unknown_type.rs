use tasker_runtime::prelude::*;

#[step_handler]
async fn charge(order: Ordr) -> Chrage {
    let _ = order;
    7
}

fn main() {}
