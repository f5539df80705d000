use tasker_runtime::prelude::*;

#[step_handler]
async unsafe fn charge(amount: u64) -> u64 {
    amount
}

#[step_handler]
async extern "C" fn ship(amount: u64) -> u64 {
    amount
}

fn main() {}
