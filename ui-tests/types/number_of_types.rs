use tasker_runtime::prelude::*;

#[step_handler]
async fn glue(sheets: u32) -> Result<u32> {
    Ok(sheets * 2)
}

#[step_handler]
async fn press(#[depends_on(glue)] sheets: u32, tries: Attempt<u8>, key: IdempotencyKey<String>) -> u32 {
    let _ = key.as_str();
    sheets + tries.number
}

workflow!(binding = [glue, press]);

fn main() {}
