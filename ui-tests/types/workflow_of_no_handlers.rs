use tasker_runtime::prelude::*;

async fn plain(amount: u64) -> u64 {
    amount
}

struct Thing;

workflow!(first = [plain]);
workflow!(second = [Thing]);
workflow!(third = [missing]);

fn main() {}
