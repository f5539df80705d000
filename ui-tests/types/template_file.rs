use tasker_runtime::prelude::*;

template!("mistaken.yaml", handlers = crate);

fn main() {}
