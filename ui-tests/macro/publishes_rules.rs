use tasker_runtime::prelude::*;

#[step_handler]
#[publishes("payment.processed", on = "succes")]
#[publishes("payment.seen", delivery = "quick")]
#[publishes("payment.told", payload = u64)]
#[publishes("payment.told", when = "always")]
async fn options(amount: u64) -> u64 {
    amount
}

#[step_handler]
#[publishes]
#[publishes(on = "success")]
#[publishes("payment..processed")]
#[publishes("tasker.task.failed")]
async fn names(amount: u64) -> u64 {
    amount
}

#[step_handler]
#[publishes("payment.processed")]
#[publishes("payment.processed", on = "failure")]
#[publishes("payment.processed", on = "success", delivery = "fast")]
async fn twice(amount: u64) -> u64 {
    amount
}

#[step_handler]
async fn says_without(amount: u64, events: Events) -> u64 {
    events.skip("payment.processed");
    amount
}

#[publishes("payment.processed")]
async fn no_handler(amount: u64) -> u64 {
    amount
}

#[step_handler]
#[publishes(name = "books.closed", on = "failure")]
async fn with_a_key(amount: u64) -> u64 {
    amount
}

fn main() {}
