use tasker_runtime::prelude::*;

#[derive(Clone)]
struct Furrow {
    line: u64,
}

#[step_handler]
#[batch_worker]
async fn plough(furrows: Cursor<Furrow>) -> u64 {
    furrows.start.line
}

fn main() {}
