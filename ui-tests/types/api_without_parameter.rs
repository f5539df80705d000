use tasker_runtime::prelude::*;

#[api(base_url = "https://payments.example.org")]
#[step_handler]
async fn charge(cents: u64) -> u64 {
    cents
}

fn main() {}
