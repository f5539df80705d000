use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

#[derive(Serialize, Deserialize)]
struct Yeast;

#[derive(Serialize, Deserialize)]
struct Flour;

#[step_handler]
async fn mill() -> Flour {
    Flour
}

#[derive(FromStep)]
struct Mistyped {
    #[depends_on(mill)]
    flour: Yeast,
}

#[derive(FromStep)]
struct Unmarked {
    flour: Flour,
    attempt: Attempt,
}

#[derive(FromStep)]
struct Defaults {
    #[input("grams", default = "seven")]
    grams: u64,
    #[input("count", default = 7)]
    name: String,
}

#[derive(FromStep)]
struct Unknown {
    #[depends_on(quarry)]
    stone: u64,
}

fn main() {}
