use tasker_runtime::prelude::*;

#[step_handler]
#[test]
async fn ring(bell: u64) -> u64 {
    bell
}

workflow!(belfry = [ring]);

fn main() {
    let _ = belfry;
}
