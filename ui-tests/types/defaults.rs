use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

#[derive(Serialize, Deserialize)]
struct Frosting {
    sugar: u64,
}

#[step_handler]
async fn whip(#[input("minutes", default = "three")] minutes: u64) -> u64 {
    minutes
}

#[step_handler]
async fn swirl(#[input("frosting", default)] frosting: Frosting) -> Frosting {
    frosting
}

#[derive(FromStep)]
struct Bowl {
    #[input("litres", default = "two")]
    litres: f64,
    #[input("lid", default)]
    lid: Frosting,
}

fn main() {}
