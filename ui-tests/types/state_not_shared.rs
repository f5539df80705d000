use tasker_runtime::prelude::*;

struct Cache(std::cell::Cell<u8>);

#[step_handler]
async fn charge(cache: State<Cache>) -> u8 {
    cache.0.0.get()
}

fn main() {}
