//! What `#[child_workflow]` stands on, and what it says.

use tasker_runtime::prelude::*;

#[child_workflow(run = shipping)]
struct Parcel {
    weight: u32,
}

#[child_workflow]
async fn crate_up(crates: u64) -> u64 {
    crates
}

#[child_workflow(run = shipping)]
async fn nothing_to_send(crates: u64) {
    let _ = crates;
}

#[child_workflow(run = "post/ship/now")]
async fn too_deep(crates: u64) -> u64 {
    crates
}

#[child_workflow(run = "shipping", parallelism = 3)]
async fn alone(crates: u64) -> u64 {
    crates
}

#[child_workflow(run = "shipping", parallelism = 0)]
async fn never(crates: u64) -> Vec<u64> {
    vec![crates]
}

#[child_workflow(run = "shipping", on_failure = "gather")]
async fn gathered(crates: u64) -> Vec<u64> {
    vec![crates]
}

#[child_workflow(run = "shipping", cascade = "no")]
async fn stays(crates: u64) -> u64 {
    crates
}

#[child_workflow(runs = shipping)]
async fn mistyped(crates: u64) -> u64 {
    crates
}

#[child_workflow(run = "shipping", each = true)]
async fn each_of_one(crates: u64) -> u64 {
    crates
}

#[child_workflow(run = shipping())]
async fn called(crates: u64) -> u64 {
    crates
}

fn main() {}
