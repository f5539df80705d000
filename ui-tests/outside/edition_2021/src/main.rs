//! An older edition, and nothing but `tasker-runtime` to depend on.
#![deny(warnings, missing_docs, unused)]
#![forbid(unsafe_code)]

use tasker_runtime::prelude::*;

/// Doubles.
#[step_handler(retry = 3)]
pub async fn double(number: u64) -> Result<u64, StepError> {
    number.checked_mul(2).ok_or_else(|| StepError::permanent("TOO_LARGE", "no number is twice as large"))
}

#[step_handler]
async fn print(#[depends_on(double)] number: u64) -> Option<String> {
    Some(number.to_string())
}

#[derive(Debug, StepError)]
#[step_error(retryable)]
struct Down;

impl std::fmt::Display for Down {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("down")
    }
}

impl std::error::Error for Down {}

#[step_handler]
async fn fails() -> Result<(), Down> {
    Err(Down)
}

#[derive(FromStep)]
struct Printed {
    #[depends_on(double)]
    number: u64,
    #[input("name", default = "nobody")]
    name: String,
    attempt: Attempt,
}

#[derive(Routes)]
enum Way {
    #[route(print)]
    Print(u64),
    #[route(skip = "nothing to print")]
    Nothing,
}

#[decision]
#[step_handler]
async fn choose(printed: Printed) -> Way {
    if printed.name.is_empty() || printed.attempt.is_last() { Way::Nothing } else { Way::Print(printed.number) }
}

struct Desk;

#[step_handlers]
impl Desk {
    #[step_handler]
    async fn file_away(&self, #[depends_on(print)] text: Option<String>) -> bool {
        text.is_some()
    }
}

declare_step!(elsewhere(#[depends_on(print)] text: Option<String>) -> bool, name = "others.elsewhere");

struct ByHand;

#[async_trait]
impl StepHandler for ByHand {
    fn name(&self) -> &str {
        "by_hand"
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        step.output(&step.result::<u64>("double")?)
    }
}

register_handler!(ByHand);

workflow!(pub doubling = [double, print]);
workflow!(pub more = [..doubling, choose, file_away as filed, #[cfg(any())] missing, elsewhere(after(filed))]);

template!(
    /// The same from a file.
    pub file = "doubling.yaml",
    handlers = crate
);

fn main() {
    assert_eq!(doubling.template().unwrap().steps().len(), 2);
    assert_eq!(file.template().unwrap().steps().len(), 2);
    assert_eq!(tasker_runtime::registry::Registry::discover().handlers().len(), 6);
    assert_eq!(more.template().unwrap().steps().len(), 5);
}
