use tasker_runtime::prelude::*;

declare_step!();
declare_step!(iron);
declare_step!(pub async fn iron(shirt: u64) -> u64);
declare_step!(fold(shirt: u64) -> u64, nmae = "laundry.fold");
declare_step!(hang(shirt: u64) -> u64, retry = 3);
declare_step!(dry(shirt: u64, attempt: Attempt, step: &TaskSequenceStep) -> u64);
declare_step!(rinse(&self) -> u64);
declare_step!(soak(#[depends_on(soak)] shirt: u64) -> u64);
declare_step!(spin(shirt: &u64) -> u64);
declare_step!(bleach(shirt: u64) -> u64, name = "laundry shop");

#[step_handler]
async fn wear(#[depends_on(dry)] shirt: u64, #[depends_on(spin)] other: u64) -> u64 {
    shirt + other
}

fn main() {}
