use tasker_runtime::prelude::*;

#[step_handler]
async fn crunch(#[input("rows")] rows: u64, #[input("more")] more: u64) -> u64 {
    rows.pow(2) + more
}

// Where another module is meant the name is free.
mod elsewhere {
    use tasker_runtime::prelude::*;

    #[step_handler]
    pub async fn munch(rows: u64) -> u64 {
        rows.pow(2)
    }
}

workflow!(
    /// All of them.
    pub rows = [crunch, elsewhere::munch],
);

fn main() {}
