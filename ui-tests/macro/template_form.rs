use tasker_runtime::prelude::*;

template!();
template!("mistaken.yaml");
template!("mistaken.yaml", handler = crate);
template!("mistaken.yaml", handlers = "crate");
template!("mistaken.yaml", handlers = [crate, 7]);

fn main() {}
