//! Structs of parameters: what they read their handlers read.

use serde::{Deserialize, Serialize};
use serde_json::json;
use support::world::{settled, worlds};
use tasker_runtime::{handler::States, model::TaskState, prelude::*, registry::Registry};

#[derive(Serialize, Deserialize)]
struct Parcel {
    grams: u64,
}

struct Tariff {
    cents_per_gram: u64,
}

#[step_handler]
async fn weigh(#[input("grams")] grams: u64) -> Parcel {
    Parcel { grams }
}

#[step_handler]
async fn insure(#[depends_on(weigh)] parcel: Parcel) -> u64 {
    parcel.grams / 10
}

#[derive(FromStep)]
struct Contents {
    #[depends_on(weigh)]
    parcel: Parcel,
    #[input("country", default = "DE")]
    country: String,
}

#[derive(FromStep)]
struct Postage {
    contents: Contents,
    #[depends_on(insure)]
    insurance: u64,
    #[input("express", default)]
    express: bool,
    #[input("discount", default = 3)]
    discount: u64,
    tariff: State<Tariff>,
    key: IdempotencyKey,
}

#[step_handler]
async fn price(postage: Postage, attempt: Attempt) -> String {
    let Postage { contents, insurance, express, discount, tariff, key } = postage;
    let cents = contents.parcel.grams * tariff.cents_per_gram + insurance - discount;
    let key = key.as_str().split_once(':').map(|(_, step)| step.to_owned()).unwrap_or_default();
    format!("{cents} to {}, express {express}, attempt {}, {key}", contents.country, attempt.number)
}

workflow!(mailing = [weigh, insure, price]);

fn registry() -> Registry {
    Registry::of(handlers![weigh, insure, price])
}

#[test]
fn edges_of_a_struct_are_edges_of_the_step() {
    let template = mailing.template().unwrap();
    assert_eq!(template.steps()[2].depends_on, ["weigh", "insure"]);
}

#[test]
fn start_misses_what_a_struct_needs() {
    let template = mailing.template().unwrap();
    let checked = registry().check([&template], &States::default());
    assert!(checked.to_string().contains("Tariff>`: give it with `.state(value)`"), "{checked}");
    let mut states = States::default();
    states.insert(Tariff { cents_per_gram: 1 });
    assert!(registry().check([&template], &states).problems.is_empty());
}

#[tokio::test]
async fn struct_is_taken_from_steps_context_and_program() {
    for world in worlds().await {
        let builder = world.builder(&[]).registry(registry()).state(Tariff { cents_per_gram: 2 });
        let tasker = builder.template(mailing.template().unwrap()).start().await.unwrap();
        for (context, priced) in [
            (json!({"grams": 100}), "207 to DE, express false, attempt 1, price"),
            (
                json!({"grams": 100, "country": "FR", "express": true, "discount": 0}),
                "210 to FR, express true, attempt 1, price",
            ),
        ] {
            let result: String = tasker.run("mailing", &context).await.unwrap();
            assert_eq!(result, priced, "{}", world.database);
        }

        // A default stands for what is not there, and for nothing else.
        let mistyped = mailing.task(&json!({"grams": 100, "country": 7})).unwrap();
        let task = tasker.submit(mistyped).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
        let error = report.step("price").and_then(|step| step.error.clone()).unwrap();
        assert!(!error.is_retryable() && error.message().contains("`country`"), "{error}");
    }
}
