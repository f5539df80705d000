use tasker_runtime::prelude::*;

#[step_handler]
#[compensates(refund)]
async fn refund() {}

#[step_handler]
#[compensates(self::release)]
async fn release() {}

#[step_handler(name = "give_back")]
#[compensates("give_back")]
async fn by_name() {}

fn main() {}
