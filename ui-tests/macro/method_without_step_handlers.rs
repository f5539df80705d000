use tasker_runtime::prelude::*;

struct Loom;

impl Loom {
    #[step_handler]
    async fn weave(&self, threads: u64) -> u64 {
        threads
    }

    /// Without `self`.
    #[step_handler]
    pub async fn cut(threads: u64) -> u64 {
        threads
    }
}

trait Dye {
    #[step_handler]
    async fn dye(threads: u64) -> u64;
}

mod steps {
    use tasker_runtime::prelude::*;

    #[step_handler]
    pub async fn fold(threads: u64) -> u64 {
        threads
    }
}

workflow!(folding = [steps::fold]);

fn main() {}
