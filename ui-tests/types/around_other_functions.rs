use tasker_runtime::prelude::*;

fn sync_wrapper(_: &TaskSequenceStep, _: Next<'_>) -> Outcome {
    Err(StepError::permanent("NO", "no"))
}

async fn without_next(_: &TaskSequenceStep) -> Outcome {
    Err(StepError::permanent("NO", "no"))
}

async fn of_another_type(step: &TaskSequenceStep, next: Next<'_>) -> Result<u64, StepError> {
    next.run(step).await.map(|_| 7)
}

#[step_handler(around = [sync_wrapper])]
async fn mow(meadows: u64) -> u64 {
    meadows
}

#[step_handler(around = [without_next])]
async fn bale(haystacks: u64) -> u64 {
    haystacks
}

#[step_handler(around = [of_another_type])]
async fn stack(ricks: u64) -> u64 {
    ricks
}

#[step_handler(around = [nowhere_to_be_found])]
async fn thatch(roofs: u64) -> u64 {
    roofs
}

fn main() {}
