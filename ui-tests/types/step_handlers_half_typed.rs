use tasker_runtime::prelude::*;

struct Line;

#[step_handlers]
impl Line {
    #[step_handler]
    async fn peg(&self, #[depends_on(unknown)] shirts: u64) -> u64 {
        shirts
    }

    #[step_handler]
    async fn dry(&self, #[depends_on(peg)] shirts: u64) -> u64 {
        let half = self.;
        shirts
    }
}

fn main() {}
