use tasker_runtime::prelude::*;

#[derive(Debug, StepError)]
enum Payment {
    #[step_error(permanent)]
    Declined,
}

fn main() {
    let _ = Payment::Declined;
}
