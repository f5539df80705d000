use tasker_runtime::prelude::*;

#[decision(routes = [ship])]
async fn charge(amount: u64) -> u64 {
    amount
}

#[api]
struct Ship;

fn main() {
    let _ = Ship;
}
