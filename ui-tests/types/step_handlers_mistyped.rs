use tasker_runtime::prelude::*;

struct Line;

#[step_handlers]
impl Line {
    #[step_handler]
    async fn peg(&self, shirts: u64) -> u64 {
        shirts
    }

    #[step_handler]
    async fn fold(&self, #[depends_on(peg)] shirts: String) -> String {
        shirts
    }

    #[step_handler]
    async fn iron(&self, #[depends_on(fold)] shirts: String) -> Starch {
        Starch(shirts)
    }
}

struct Starch(String);

fn main() {}
