//! How many tasks of a workflow run at once is checked while the program is compiled.

use tasker_runtime::prelude::*;

#[step_handler]
async fn sweep() {}

workflow!(counted = [sweep], concurrency = 3);
workflow!(keyed = [sweep], concurrency(key = "customer", limit = 1));
workflow!(rooted = [sweep], concurrency(key = "$", limit = 1));
workflow!(boundless = [sweep], concurrency(key = "$.customer"));
workflow!(closed = [sweep], concurrency(limit = 0));
workflow!(replacing = [sweep], concurrency(limit = 1, on_conflict = "cancel"));
workflow!(spelled = [sweep], concurrency(max = 1));

fn main() {}
