use tasker_runtime::prelude::*;

#[step_handler]
fn simmer(broth: u64) -> impl Future<Output = Result<u64, StepError>> {
    async move { Ok(broth) }
}

fn main() {}
