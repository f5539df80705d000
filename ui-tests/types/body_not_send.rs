use tasker_runtime::prelude::*;

#[step_handler]
async fn charge(amount: u64) -> u64 {
    let shared = std::rc::Rc::new(amount);
    std::future::ready(()).await;
    *shared
}

fn main() {}
