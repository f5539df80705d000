use tasker_runtime::prelude::*;

struct Yard;

#[step_handlers]
impl Yard {
    #[step_handler]
    async fn stack(&self, planks: u32) -> Result<u32> {
        Ok(planks)
    }

    #[step_handler]
    async fn burn(&self, #[depends_on(stack)] planks: u32, attempt: Attempt<u32>) -> u32 {
        planks + attempt.number
    }

    #[step_handler]
    async fn sweep(&self, info: StepInfo<u32>) -> String {
        info.step.to_string()
    }
}

workflow!(lumber = [stack, burn, sweep]);

fn main() {}
