use tasker_runtime::prelude::*;

#[step_handler]
async fn knead(flour: u64) -> u64 {
    flour * 2
}

#[step_handler]
async fn portion(#[depends_on(knead.weight)] dough: u64) -> u64 {
    dough / 12
}

#[step_handler]
async fn glaze(#[cfg(feature = "sweet")] #[depends_on(portion)] bun: u64, egg: u64) -> u64 {
    bun + egg
}

workflow!(bakery = [knead, portion, glaze]);

fn main() {
    let _ = bakery;
}
