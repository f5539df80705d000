use tasker_runtime::prelude::*;

#[step_handler]
async fn charge(name: &str, #[input("items")] items: &[u64], step: TaskSequenceStep) -> u64 {
    items.len() as u64
}

fn main() {}
