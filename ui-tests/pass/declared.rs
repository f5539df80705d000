//! Steps that are implemented elsewhere.
#![deny(warnings, missing_docs, unused, missing_debug_implementations, clippy::pedantic)]

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

/// What is sewn.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cloth {
    metres: u64,
}

declare_step!(
    /// Cuts the cloth.
    pub cut(cloth: Cloth, #[input("pieces")] pieces: u64) -> Vec<Cloth>,
    name = "tailors.cut",
);

mod tailors {
    use super::Cloth;
    use tasker_runtime::prelude::*;

    declare_step!(pub(crate) sew(
        #[depends_on(super::cut)] pieces: Vec<Cloth>,
        #[depends_on("cut")] _again: Option<Vec<Cloth>>,
    ) -> Result<Cloth, StepError>);
    declare_step!(pub(super) press(#[depends_on(sew)] cloth: Cloth), namespace = "laundry", marker = Pressing);

    template!(
        /// The same, from a file.
        pub(super) by_file = "declared.yaml",
        handlers = [super::cut, sew, super::deliver]
    );
}

/// Reads what a declared step returns.
#[step_handler]
pub async fn deliver(#[depends_on(tailors::sew)] cloth: Cloth) -> u64 {
    cloth.metres
}

/// Chooses among them.
#[derive(Debug, Routes)]
pub enum Care {
    /// By a declared step.
    #[route(tailors::Pressing)]
    Press,
}

/// Chooses.
#[decision]
#[step_handler]
pub async fn choose(cloth: Cloth) -> Care {
    let _ = cloth;
    Care::Press
}

workflow!(
    /// From cloth to suit.
    pub tailoring = [cut, tailors::sew, deliver, choose, tailors::Pressing]
);

fn main() {
    let template = tailoring.template().expect("checked by the compiler");
    let steps = template.steps().iter();
    let steps: Vec<_> =
        steps.map(|step| (&*step.name, &*step.handler.callable, step.depends_on.join(","))).collect();
    let step = |name, callable, after: &str| (name, callable, after.to_owned());
    assert_eq!(
        steps,
        [
            step("cut", "tailors.cut", ""),
            step("sew", "sew", "cut"),
            step("deliver", "deliver", "sew"),
            step("choose", "choose", ""),
            step("press", "laundry.press", "sew,choose"),
        ]
    );
    assert_eq!(tailors::by_file.template().expect("checked as well").steps().len(), 3);
}
