use serde::{Deserialize, Serialize};
use tasker_runtime::{Tasker, prelude::*, testing};

#[derive(Serialize, Deserialize)]
struct Basket {
    cents: u64,
}

#[derive(Serialize, Deserialize)]
struct Postcard {
    text: String,
}

#[step_handler]
async fn scale(basket: Basket) -> u64 {
    basket.cents
}

#[step_handler]
async fn postage(#[depends_on(scale)] grams: u64) -> String {
    grams.to_string()
}

workflow!(mailing = [scale, postage]);

async fn wrong_context(tasker: &Tasker, postcard: Postcard) {
    let _: Result<String, _> = mailing.run(tasker, &postcard).await;
}

async fn wrong_context_of_a_task(postcard: Postcard) {
    let _ = mailing.task(&postcard);
}

async fn wrong_result(tasker: &Tasker, basket: Basket) {
    let _: Result<bool, _> = mailing.run(tasker, &basket).await;
}

async fn wrong_test(postcard: Postcard) {
    let _ = testing::run(mailing, &postcard).await;
}

async fn wrong_context_for_the_runtime(tasker: &Tasker, postcard: Postcard) {
    let _: Result<String, _> = tasker.run(mailing, &postcard).await;
}

fn main() {}
