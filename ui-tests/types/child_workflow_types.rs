//! What a child workflow is started with and returns.

use tasker_runtime::prelude::*;

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Parcel {
    pub weight: u32,
}

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Label {
    pub text: String,
}

pub struct Bare;

#[step_handler]
pub async fn print_label(parcel: Parcel) -> Label {
    Label { text: parcel.weight.to_string() }
}

workflow!(shipping = [print_label]);

#[child_workflow(run = shipping)]
pub async fn send_labels(texts: Vec<String>) -> Vec<Label> {
    texts.into_iter().map(|text| Label { text }).collect()
}

#[child_workflow(run = shipping, returns = Parcel)]
pub async fn send_parcel(weight: u32) -> Parcel {
    Parcel { weight }
}

#[child_workflow(run = print_label)]
pub async fn send_by_step(weight: u32) -> Parcel {
    Parcel { weight }
}

#[child_workflow(run = "shipping")]
pub async fn send_bare(weight: u32) -> Vec<Bare> {
    (0..weight).map(|_| Bare).collect()
}

#[child_workflow(run = shipping, returns = Label)]
pub async fn send_all(weights: Vec<u32>) -> Vec<Parcel> {
    weights.into_iter().map(|weight| Parcel { weight }).collect()
}

#[step_handler]
pub async fn bill_one(#[depends_on(send_all)] label: Label) -> String {
    label.text
}

#[child_workflow(run = shipping, returns = Vec<Label>)]
pub async fn send_many(weights: Vec<u32>) -> Vec<Parcel> {
    weights.into_iter().map(|weight| Parcel { weight }).collect()
}

fn main() {}
