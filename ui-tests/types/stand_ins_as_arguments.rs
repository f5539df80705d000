use tasker_runtime::{prelude::*, testing};

#[step_handler]
async fn knit(rows: u32) -> u32 {
    rows
}

async fn mend(rows: u32) -> Result<u32, StepError> {
    Ok(rows)
}

workflow!(scarf = [knit]);

fn main() {
    let _ = testing::run(scarf, &3).returns(knit, 7_u32);
    let _ = testing::run(scarf, &3).replace(knit, mend);
    let _ = testing::run(scarf, &3).fail_first(knit, 2);
    let _ = testing::run_step::<knit>().result_of(knit, &2);
}
