use tasker_runtime::{prelude::*, testing};

#[step_handler]
async fn dive(metres: u64) -> u64 {
    metres
}

#[step_handler]
async fn surface(#[depends_on(dive)] metres: u64, key: IdempotencyKey) -> Result<String, StepError> {
    Ok(format!("{metres} {key}"))
}

workflow!(diving = [dive, surface]);

fn main() {
    let _ = testing::run(diving, &7).returns::<dive>("deep");
    let _ = testing::run(diving, &7).replace::<surface>(|metres: u64| async move { Ok(metres.to_string()) });
    let _ = testing::run(diving, &7).replace::<dive>(|metres: String| async move { Ok(metres.len() as u64) });
    let _ = testing::run(diving, &7).replace::<dive>(|_: u64| async { Ok(String::new()) });
    let _ = testing::run(diving, &7).replace::<dive>(|metres: u64| async move { metres });
}
