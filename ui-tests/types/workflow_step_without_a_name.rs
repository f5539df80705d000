use tasker_runtime::prelude::*;

#[step_handler(name = "post::office")]
async fn scale(grams: u64) -> u64 {
    grams
}

workflow!(mailing = [scale]);

fn main() {}
