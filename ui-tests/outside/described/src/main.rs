//! Types that describe their JSON: what does not fit is refused where it comes in, with its path.

#![deny(warnings)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tasker_runtime::{
    Tasker,
    api::Submission,
    model::{Command, Json, TaskState},
    prelude::*,
    testing,
};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Item {
    sku: String,
    count: u8,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Order {
    items: Vec<Item>,
}

/// Another view of the same context, which nobody describes.
#[derive(Serialize, Deserialize)]
struct Undescribed {
    items: serde_json::Value,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Receipt {
    cents: u64,
}

#[step_handler]
async fn price(order: Order) -> Result<Receipt, StepError> {
    match order.items.len() {
        0 => Err(StepError::permanent("NOTHING", "there is nothing")),
        items => Ok(Receipt { cents: 100 * items as u64 }),
    }
}

#[step_handler]
async fn archive(order: Undescribed, #[depends_on(price)] receipt: Receipt) -> Undescribed {
    let _ = receipt.cents;
    order
}

#[step_handler]
#[batch_analyzer(worker = count)]
async fn split(#[depends_on(price)] receipt: Receipt) -> BatchPlan {
    BatchPlan::of_size(receipt.cents, 50)
}

#[step_handler]
#[batch_worker]
async fn count(cents: Cursor<u64>) -> u64 {
    cents.end - cents.start
}

workflow!(checkout = [price, archive, split, count]);
workflow!(named = [archive_alone], input = Order);

#[step_handler]
async fn archive_alone(order: Undescribed) -> usize {
    order.items.as_array().map_or(0, Vec::len)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let template = checkout.template()?;
    let schema = template.input_schema().ok_or("a schema")?;
    assert_eq!(schema["properties"]["items"]["items"]["properties"]["count"]["type"], "integer", "{schema}");
    let of = |step: usize| template.steps()[step].result_schema.is_some();
    assert_eq!([of(0), of(1), of(2), of(3)], [true, false, false, true]);
    assert!(template.to_yaml().contains("sku"), "{}", template.to_yaml());
    assert_eq!(named.template()?.input_schema(), Some(schema));

    testing::block_on(async {
        let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
        let wrong = Submission::to("checkout").context(&json!({"items": [{"sku": "a", "count": 1}, {"sku": 7, "count": 1}]}))?;
        let refused = tasker.submit(wrong).await.err().ok_or("refused")?.to_string();
        assert!(refused.contains("  input.items.1.sku: 7 is not of type"), "{refused}");
        let order = Order { items: vec![Item { sku: "a".to_owned(), count: 1 }] };
        let paid: serde_json::Value = tasker.run(checkout, &order).await?;
        assert_eq!(paid["archive"]["items"][0]["sku"], "a");

        let nothing = checkout.submit(&tasker, &json!({"items": []})).await?;
        while tasker.wait(nothing).await?.state != TaskState::BlockedByFailures {}
        let resolve = |result: serde_json::Value| -> Result<Command, serde_json::Error> {
            Ok(Command::Resolve { step: "price".to_owned(), result: Json::of(&result)? })
        };
        let refused = tasker.operate(nothing, &resolve(json!({"cents": "a lot"}))?).await;
        let refused = refused.err().ok_or("refused")?.to_string();
        assert!(refused.starts_with("step `price` cannot have this result: result.cents: "), "{refused}");
        tasker.operate(nothing, &resolve(json!({"cents": 100}))?).await?;
        assert_eq!(tasker.wait(nothing).await?.state, TaskState::Complete);
        Ok::<(), Box<dyn std::error::Error>>(())
    })
}
