use tasker_runtime::prelude::*;

#[derive(Debug, thiserror::Error, StepError)]
#[step_error(code = "ALL")]
enum Payment {
    #[error("a")]
    Silent,
    #[error("b")]
    #[step_error(permanent, retryable)]
    Both,
    #[error("c")]
    #[step_error(permanent, after = "1s")]
    Delayed,
    #[error("d")]
    #[step_error(temporary)]
    Unknown,
    #[error("e")]
    #[step_error(retryable = true, code = "", after = "soon")]
    Values,
    #[error("f")]
    #[step_error]
    Bare,
}

#[derive(Debug, thiserror::Error, StepError)]
#[step_error(permanent)]
#[error("generic")]
struct Generic<T>(T);

fn main() {}
