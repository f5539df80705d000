use tasker_runtime::prelude::*;

#[step_handler]
#[batch_worker]
async fn plant(rows: Cursor<u64>) -> u64 {
    rows.range().sum()
}

#[derive(FromStep)]
struct Planted {
    #[depends_on(plant)]
    rows: Vec<u64>,
}

#[step_handler]
#[compensates(plant)]
async fn dig_up(planted: Planted) -> usize {
    planted.rows.len()
}

fn main() {}
