use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

#[step_handler]
async fn anchor() {}

#[derive(Routes, Serialize, Deserialize)]
enum Tide {
    #[route(anchor)]
    Ebb(u64),
    #[route(skip)]
    Flood,
}

#[derive(Clone, serde::Serialize)]
#[derive(Routes)]
enum Swell {
    #[route(anchor)]
    High,
    #[route(skip)]
    Low,
}

#[decision]
#[step_handler]
async fn gauge(metres: u64) -> Tide {
    if metres > 3 { Tide::Flood } else { Tide::Ebb(metres) }
}

#[step_handler]
async fn log_tide(#[depends_on(gauge)] tide: Tide) -> bool {
    matches!(tide, Tide::Flood)
}

fn main() {}
