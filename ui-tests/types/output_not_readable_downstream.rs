use tasker_runtime::prelude::*;

#[derive(serde::Serialize)]
struct Charge;

#[step_handler]
async fn charge(amount: u64) -> Charge {
    let _ = amount;
    Charge
}

#[step_handler]
async fn ship(#[depends_on(charge)] charge: Charge) {
    let _ = charge;
}

fn main() {}
