use tasker_runtime::prelude::*;

#[event_subscriber]
async fn nothing(event: Event<Json>) {}

#[event_subscriber("payment.**")]
async fn bad_pattern(event: Event<Json>) {}

#[event_subscriber("payment.a", "payment.a")]
async fn twice(event: Event<Json>) {}

#[event_subscriber("payment.*", retries = 3)]
async fn unknown_option(event: Event<Json>) {}

#[event_subscriber("payment.*", delivery = "durabel")]
async fn bad_delivery(event: Event<Json>) {}

#[event_subscriber("payment.*", from = "end")]
async fn bad_from(event: Event<Json>) {}

#[event_subscriber("payment.*", delivery = "fast", retry = 3, ordered = false)]
async fn durable_only(event: Event<Json>) {}

#[event_subscriber("payment.*", ordered = "no")]
async fn no_flag(event: Event<Json>) {}

#[event_subscriber("payment.*", namespaces = "shop")]
async fn no_list(event: Event<Json>) {}

#[event_subscriber("payment.*", concurrency = 0)]
async fn no_width(event: Event<Json>) {}

#[event_subscriber("payment.*", timeout = "0s")]
async fn no_time(event: Event<Json>) {}

#[event_subscriber("payment.*")]
fn not_async(event: Event<Json>) {}

#[event_subscriber("payment.*")]
async fn generic<T>(event: Event<T>) {}

#[event_subscriber("payment.*")]
async fn borrows(event: &Event<Json>) {}

#[event_subscriber("payment.*")]
async fn reads_a_step(#[depends_on(twice)] event: Event<Json>) {}

#[event_subscriber("payment.*")]
struct NoFunction;

fn main() {}
