use tasker_runtime::prelude::*;

#[step_handler(nmae = "charge", timeout = "soon", retry = 0)]
fn charge<T>(amount: &str, #[depends_on(charge)] before: u64) -> u64 {
    before
}

fn main() {}
