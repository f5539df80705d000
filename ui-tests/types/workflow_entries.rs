use tasker_runtime::prelude::*;

#[step_handler]
async fn peel() -> u64 {
    1
}

#[step_handler]
async fn boil(#[depends_on(peel)] potatoes: u64) -> u64 {
    potatoes
}

#[step_handler]
async fn salt() {}

workflow!(mashing = [peel, boil(after(salt))]);

workflow!(frying = [peel as first_half, peel as second_half, boil]);

workflow!(waiting = [peel(after(boil)), boil]);

workflow!(doubled = [..cooking, peel]);

workflow!(cooking = [peel, boil]);

workflow!(unknown = [peel, boil(after(peper))]);

workflow!(no_workflow = [peel, ..boil]);

fn main() {}
