//! Handlers as few people write them.
#![deny(warnings, missing_docs, unused, clippy::pedantic)]

use serde::{Deserialize, Serialize};
use tasker_runtime::handler::Need;
use tasker_runtime::prelude::*;

/// Names that only raw identifiers can have.
#[step_handler]
pub async fn r#type(r#match: u64) -> u64 {
    r#match
}

/// Reads the other.
#[step_handler]
pub async fn r#match(#[depends_on(r#type)] r#fn: u64) -> u64 {
    r#fn
}

template!(keywords = "keywords.yaml", handlers = crate);
workflow!(r#async = [r#type, r#match]);

/// Every part of a handler comes from a macro.
macro_rules! handler {
    ($name:ident, $called:literal, $attempts:literal, $step:ty, $optional:ty, $state:ty, $result:ty) => {
        #[step_handler(name = $called, retry(max_attempts = $attempts, base = "1s"), timeout = "30s")]
        async fn $name(step: $step, #[depends_on("other")] other: $optional, state: $state) -> $result {
            Ok(other.unwrap_or(*state) + u64::from(step.name().is_empty()))
        }
    };
}

handler!(made, "made-up", 7, &TaskSequenceStep, Option<u64>, State<u64>, Result<u64, StepError>);

#[derive(Serialize, Deserialize)]
#[deprecated = "take another"]
struct Old(u64);

#[step_handler]
#[allow(deprecated)]
async fn reads_old_things(old: Old) -> Old {
    old
}

#[step_handler]
#[expect(deprecated, reason = "until all are gone")]
async fn expects_old_things(old: Old) -> Old {
    old
}

#[step_handler]
#[deprecated = "write another"]
async fn old_handler(amount: u64) -> u64 {
    amount
}

/// Called like types of the runtime.
mod loan {
    use serde::{Deserialize, Serialize};
    use tasker_runtime::step_handler;

    #[derive(Serialize, Deserialize)]
    pub struct Decision(pub u64);

    #[derive(Serialize, Deserialize)]
    pub struct Cursor(pub u64);

    #[step_handler]
    pub async fn decide(cursor: self::Cursor) -> self::Decision {
        Decision(cursor.0)
    }
}

fn main() {
    let _ = (r#async, loan::decide);
    let template = keywords.template().expect("the file was checked by the compiler");
    assert_eq!(template.steps()[1].depends_on, ["type"]);
    let [made] = handlers![made];
    assert_eq!(made.key(), "made-up");
    let optional = Need::Step { name: "other", exact: None, optional: true, carried: &[] };
    assert!(format!("{:?}", made.spec().needs).contains(&format!("{optional:?}")), "{:?}", made.spec());
}
