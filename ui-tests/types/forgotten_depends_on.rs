use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

#[derive(Serialize, Deserialize)]
struct Basket {
    cents: u64,
}

#[derive(Serialize, Deserialize)]
struct Weighed {
    grams: u64,
}

#[step_handler]
async fn scale(basket: Basket) -> Weighed {
    Weighed { grams: basket.cents }
}

#[step_handler]
async fn postage(parcel: Weighed, attempt: Attempt) -> u64 {
    parcel.grams + u64::from(attempt.number)
}

workflow!(mailing = [scale, postage]);

fn main() {}
