use tasker_runtime::prelude::*;

#[step_handler]
async fn ask() -> u64 {
    1
}

#[step_handler]
#[decision(routes = [ask])]
async fn choose(#[depends_on(ask)] answer: u64) -> Decision {
    Decision::route(if answer == 0 { vec![ask] } else { vec![] })
}

workflow!(endless = [choose, ask]);

fn main() {}
