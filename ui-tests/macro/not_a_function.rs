use tasker_runtime::prelude::*;

#[step_handler]
struct Charge;

fn main() {
    let _ = Charge;
}
