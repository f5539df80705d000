use tasker_runtime::prelude::*;

declare_step!(rinse(litres: u64) -> u64);

declare_step!(spin(#[depends_on(rinse)] litres: u64) -> u64, name = "laundry.spin");

workflow!(washing = [spin]);

fn main() {}
