use serde::Deserialize;
use tasker_runtime::{Tasker, prelude::*, testing};

#[derive(Deserialize)]
struct Telegram {
    words: u64,
}

#[derive(Deserialize)]
struct Pigeon {
    grams: u64,
}

#[step_handler]
async fn dispatch(telegram: Telegram) -> u64 {
    telegram.words
}

#[step_handler]
async fn flock(pigeons: Vec<Pigeon>) -> u64 {
    pigeons.iter().map(|pigeon| pigeon.grams).sum()
}

workflow!(wire = [dispatch]);
workflow!(loft = [flock]);

async fn by_name_in_code(tasker: &Tasker, telegram: Telegram) {
    let _ = wire.run(tasker, &telegram).await;
}

async fn by_the_runtime(tasker: &Tasker, pigeon: Pigeon) {
    let _ = tasker.run(loft, &[pigeon]).await;
}

async fn by_name(tasker: &Tasker, pigeon: Pigeon) {
    let _: Result<u64, _> = tasker.run("loft", &pigeon).await;
}

async fn in_a_test(telegram: Telegram) {
    let _ = testing::run(wire, &telegram).await;
}

fn main() {}
