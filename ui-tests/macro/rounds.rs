use tasker_runtime::prelude::*;

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Seen {
    rows: u64,
}

// Nothing says what follows.
#[step_handler]
async fn tally(seen: Round<Seen>) -> u64 {
    seen.rows
}

#[step_handler(max_rounds = 3)]
async fn measure(rows: u64) -> u64 {
    rows
}

#[step_handler(max_rounds = 0)]
async fn wander(seen: Round<Seen>) -> Loop<Seen, u64> {
    Loop::again(seen)
}

#[step_handler(rounds = 5)]
async fn stroll(seen: Round<Seen>) -> Loop<Seen, u64> {
    Loop::again(seen)
}

#[step_handler]
async fn abroad() {}

#[step_handler]
#[decision(routes = [abroad])]
async fn pick(seen: Round<Seen>) -> Result<Loop<Seen, Decision>, StepError> {
    Ok(Loop::again(seen))
}

#[step_handler]
#[batch_worker]
async fn grind(rows: Cursor<u64>, seen: Round<Seen>) -> Loop<Seen, u64> {
    drop(rows);
    Loop::again(seen)
}

#[step_handler]
#[compensates(measure)]
async fn unmeasure(seen: Round<Seen>) -> Loop<Seen, u64> {
    Loop::again(seen)
}

#[step_handler]
async fn hide(seen: Round<Seen>) -> Loop<Seen, Result<u64, StepError>> {
    Loop::again(seen)
}

fn main() {}
