use tasker_runtime::{Tasker, prelude::*};

async fn varnish(coats: u64) -> u64 {
    coats
}

async fn open() {
    let _ = Tasker::builder().handlers(handlers![varnish]).start().await;
}

fn main() {}
