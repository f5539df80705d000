use tasker_runtime::prelude::*;

mod desk {
    use tasker_runtime::prelude::*;

    pub async fn logged(step: &TaskSequenceStep, next: Next<'_>) -> Outcome {
        next.run(step).await
    }
}

#[step_handler(around = [desk::logged()])]
async fn stamp(letter: String) -> String {
    letter
}

fn main() {}
