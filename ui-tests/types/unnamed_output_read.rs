use std::fmt::Display;
use std::future::Future;

use tasker_runtime::prelude::*;

#[step_handler]
async fn knead(grams: u32) -> impl Display {
    grams
}

#[step_handler]
fn proof(#[depends_on(knead)] dough: u32) -> impl Future<Output = Result<u64, StepError>> {
    async move { Ok(u64::from(dough)) }
}

#[step_handler]
async fn glaze(#[depends_on(proof)] risen: u64, #[depends_on(knead)] dough: Option<u32>) -> u64 {
    risen + u64::from(dough.unwrap_or(0))
}

workflow!(pastry = [knead, proof, glaze]);

fn main() {}
