use tasker_runtime::prelude::*;

struct NoHandler;

struct Unfinished;

impl StepHandler for Unfinished {
    fn name(&self) -> &str {
        "unfinished"
    }
}

async fn plain() {}

register_handler!(NoHandler);
register_handler!(plain);

fn main() {
    let _ = handlers![NoHandler];
}
