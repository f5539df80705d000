use tasker_runtime::prelude::*;

#[step_handler]
async fn changes(_step: &mut TaskSequenceStep) -> u64 {
    7
}

#[step_handler]
async fn returns_a_part_of_it(step: &TaskSequenceStep) -> &str {
    step.name()
}

#[step_handler]
async fn returns_it_inside(step: &TaskSequenceStep) -> Result<Option<&'_ str>, StepError> {
    Ok(Some(step.name()))
}

fn main() {}
