use tasker_runtime::prelude::*;

#[step_handler]
async fn charge(amount: u64) -> u64 {
    amount
}

workflow!();
workflow!(charge);
workflow!(a = charge);
workflow!(b = []);
workflow!(c = [charge, charge]);
workflow!(Checkout = [charge]);
workflow!("checkout" = [charge]);
workflow!(d = ["charge"]);
workflow!(e = [charge -> charge]);

fn main() {}
