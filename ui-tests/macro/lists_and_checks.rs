use tasker_runtime::prelude::*;

#[step_handler]
async fn whisk(eggs: u64) -> u64 {
    eggs
}

tasker_runtime::testing::check!("workflows.lock");

fn main() {
    let _ = handlers![whisk(), "fold"];
    let _ = handlers!["whisk"];
}
