use tasker_runtime::prelude::*;

struct Yarn;

#[step_handler]
async fn knit(#[input("$.rows[0].count")] rows: u64, #[input("/colour/name")] colour: String) -> u64 {
    let _ = colour;
    rows
}

#[step_handler]
async fn wash(#[depends_on(knit)] attempt: Attempt, #[input("yarn")] yarn: State<Yarn>) -> u64 {
    let _ = yarn;
    u64::from(attempt.number)
}

#[step_handler]
async fn iron(Json(rows): Json<Vec<u64>>) -> usize {
    rows.len()
}

fn main() {}

/// As web frameworks have it.
struct Json<T>(T);
