use tasker_runtime::prelude::*;

#[step_handler]
async fn sail() {}

#[derive(Routes)]
enum Weather {
    #[route(sail)]
    Calm(u64),
    #[route(skip)]
    Stormy,
}

#[step_handler]
async fn forecast(hectopascals: u64) -> Weather {
    if hectopascals > 1000 { Weather::Calm(hectopascals) } else { Weather::Stormy }
}

#[step_handler]
async fn outlook(hectopascals: u64) -> Result<Weather, StepError> {
    Ok(Weather::Calm(hectopascals))
}

#[step_handler]
async fn week() -> Vec<Weather> {
    Vec::new()
}

workflow!(voyage = [forecast, sail]);

fn main() {}
