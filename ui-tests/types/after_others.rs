use tasker_runtime::prelude::*;

async fn thaw() {}

#[step_handler]
async fn boil() -> u64 {
    100
}

#[step_handler]
#[compensates(boil)]
async fn cool(#[depends_on(boil)] degrees: u64) -> u64 {
    degrees
}

// Not a step.
#[step_handler(after(thaw))]
async fn fry() {}

#[step_handler(after(cool))]
async fn serve() {}

// Not in the workflow.
#[step_handler(after(boil))]
async fn plate() {}

workflow!(dinner = [plate]);

fn main() {}
