//! Steps that start other workflows, in every form.
#![deny(warnings, unused, clippy::pedantic)]

use tasker_runtime::prelude::*;

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Parcel {
    pub weight: u32,
}

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Label {
    pub text: String,
}

#[step_handler]
pub async fn print_label(parcel: Parcel) -> Label {
    Label { text: parcel.weight.to_string() }
}

workflow!(pub shipping = [print_label], namespace = "post");

/// One task.
#[child_workflow(run = shipping, returns = Label)]
async fn send_one(weights: Vec<u32>) -> Parcel {
    Parcel { weight: weights.iter().sum() }
}

/// One for each weight, two at once, and those that fail are told.
#[child_workflow(run = shipping, returns = Label, parallelism = 2, on_failure = "collect", retry(max_attempts = 2))]
async fn send_each(weights: Vec<u32>) -> Result<Vec<Parcel>, StepError> {
    Ok(weights.into_iter().map(|weight| Parcel { weight }).collect())
}

/// One of which only the name is known.
#[child_workflow(run = "post/shipping", name = "later", cascade = false)]
async fn send_later(#[depends_on(send_one)] label: Label) -> Vec<Parcel> {
    label.text.parse().map_or_else(|_| Vec::new(), |weight| vec![Parcel { weight }])
}

#[step_handler]
async fn bill(
    #[depends_on(send_one)] one: Label,
    #[depends_on(send_each)] each: Vec<Result<Label, ChildFailure>>,
    #[depends_on(send_later)] later: Vec<Label>,
) -> usize {
    one.text.len() + each.iter().flatten().count() + later.len()
}

workflow!(orders = [send_one, send_each, send_later, bill], namespace = "post");

fn main() {
    let template = orders.template().expect("a workflow without mistakes");
    let names: Vec<&str> = template.steps().iter().map(|step| &*step.name).collect();
    assert_eq!(
        names,
        ["send_one_input", "send_one", "send_each_input", "send_each", "later_input", "later", "bill"]
    );
}
