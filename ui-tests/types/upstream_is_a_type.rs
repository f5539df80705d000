use tasker_runtime::prelude::*;

#[derive(serde::Deserialize)]
struct Valid;

#[step_handler]
async fn charge(#[depends_on(Valid)] valid: Valid) -> u64 {
    let _ = valid;
    7
}

fn main() {}
