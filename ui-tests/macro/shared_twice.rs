use std::sync::{Arc, Mutex};

use tasker_runtime::prelude::*;

struct Ledger(u64);

#[step_handler]
async fn enter(cents: u64, ledger: Arc<State<Ledger>>) -> u64 {
    cents + ledger.0.0
}

#[step_handler]
async fn close_book(ledger: Mutex<State<Ledger>>, key: Box<IdempotencyKey>) -> String {
    let _ = ledger;
    key.to_string()
}

fn main() {}
