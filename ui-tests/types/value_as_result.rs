use tasker_runtime::{prelude::*, testing};

#[step_handler]
async fn reserve(seats: u64) -> Result<u64, StepError> {
    Ok(seats)
}

workflow!(concert = [reserve]);

async fn fails() {
    let _ = testing::run(concert, &3).returns::<reserve>(Err(StepError::permanent("FULL", "no seat"))).await;
}

fn main() {}
