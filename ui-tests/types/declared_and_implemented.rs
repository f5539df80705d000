use tasker_runtime::prelude::*;

declare_step!(weave(threads: u64) -> u64);

#[step_handler]
async fn weave(threads: u64) -> u64 {
    threads
}

mod dyeing {
    use tasker_runtime::prelude::*;

    #[step_handler]
    pub async fn soak(litres: u64) -> u64 {
        litres
    }

    declare_step!(pub soak(litres: u64) -> u64);
}

mod elsewhere {
    use tasker_runtime::prelude::*;

    declare_step!(pub weave(threads: u64) -> u64, namespace = "mill");
}

#[step_handler]
async fn dry(#[depends_on(weave)] cloth: u64, #[depends_on(dyeing::soak)] colour: u64) -> u64 {
    cloth + colour
}

workflow!(fabric = [weave, dyeing::soak, elsewhere::weave as other, dry]);

fn main() {}
