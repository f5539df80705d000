use tasker_runtime::prelude::*;

#[step_handler]
async fn debit(cents: u64) -> u64 {
    cents
}

#[step_handler]
async fn parcel(#[depends_on(debit)] cents: u64) -> String {
    cents.to_string()
}

#[compensates(debit)]
#[step_handler]
async fn repay(#[depends_on(debit)] cents: u64, #[depends_on(parcel)] parcel: String) -> String {
    format!("{cents} {parcel}")
}

workflow!(money = [debit, parcel], on_failure = "compensate");

fn main() {}
