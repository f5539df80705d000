use tasker_runtime::prelude::*;

struct Bare {
    sum: u64,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Ledger {
    lines: u64,
}

#[step_handler]
async fn weigh(kept: Round<Bare>) -> Loop<Bare, u64> {
    Loop::done(kept.sum)
}

#[step_handler]
async fn book(ledger: Round<Ledger>) -> Result<Loop<u64, String>, StepError> {
    Ok(Loop::done(ledger.lines.to_string()))
}

#[step_handler]
async fn post(ledger: Round<Ledger>) -> Loop<Ledger, std::time::Instant> {
    Loop::again(ledger)
}

#[step_handler]
async fn audit(#[depends_on(ring)] bells: String) -> String {
    bells
}

#[step_handler]
async fn ring(ledger: Round<Ledger>) -> Loop<Ledger, u64> {
    Loop::again(ledger)
}

#[step_handler]
async fn sing(ledger: Round<Ledger>) -> Loop<Ledger, u64> {
    Loop::again(ledger).after(5)
}


fn main() {}
