use tasker_runtime::prelude::*;

#[step_handler]
async fn spin(turns: u64) -> ! {
    panic!("{turns}")
}

#[step_handler]
async fn whirl(#[depends_on(spin)] turns: u64) -> u64 {
    turns
}

workflow!(top = [spin, whirl]);

fn main() {}
