use tasker_runtime::prelude::*;

#[step_handler]
async fn knit(rows: u64) -> u64 {
    rows
}

#[step_handler]
async fn wash(#[depends_on(knit)] rows: u64) -> u64 {
    rows
}

workflow!(arrows = [knit -> wash]);
workflow!(quoted = [knit, "wash"]);
workflow!("quoted_name" = [knit]);
workflow!(with-hyphen = [knit]);
workflow!(knit = [knit]);

fn main() {}
