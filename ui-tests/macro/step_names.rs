use tasker_runtime::prelude::*;

#[step_handler]
async fn prüfe(betrag: u64) -> u64 {
    betrag
}

#[step_handler(name = "zero\u{200b}width")]
async fn hidden_space(amount: u64) -> u64 {
    amount
}

#[step_handler]
async fn eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee(amount: u64) -> u64 {
    amount
}

#[step_handler(name = "ALL")]
async fn everything(amount: u64) -> u64 {
    amount
}

#[step_handler(name = "größe")]
async fn size(amount: u64) -> u64 {
    amount
}

fn main() {}
