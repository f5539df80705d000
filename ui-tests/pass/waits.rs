//! Steps that wait, as types, under the strictest lints.
#![deny(warnings, missing_docs, unused, missing_debug_implementations, clippy::pedantic)]

use serde::{Deserialize, Serialize};
use tasker_runtime::Tasker;
use tasker_runtime::api::Submission;
use tasker_runtime::prelude::*;

/// What is kneaded.
#[derive(Debug, Serialize, Deserialize)]
pub struct Dough {
    grams: u64,
    /// When it is to be baked, as RFC 3339.
    at: String,
}

/// Kneads.
#[step_handler]
pub async fn knead(dough: Dough) -> Dough {
    dough
}

/// Until the time that the dough has.
#[timer(until = knead.at)]
#[derive(Debug)]
pub struct Rest;

/// What somebody says of it.
#[signal(after(Rest), timeout = "1h", on_timeout = "skip")]
#[derive(Debug, Serialize, Deserialize)]
pub enum Taste {
    /// It is.
    Good,
    /// It is not.
    Bad {
        /// Why.
        r#type: String,
    },
}

mod elsewhere {
    use tasker_runtime::prelude::*;

    /// A name of its own.
    #[timer(name = "a-while", after(super::Taste), delay = "1ms")]
    #[derive(Debug)]
    pub(crate) struct While {}
}

/// Bakes what was tasted, or what was not.
///
/// # Errors
/// When it was bad.
#[step_handler]
pub async fn bake(
    #[depends_on(knead)] dough: Dough,
    #[depends_on(Taste)] taste: Option<Taste>,
) -> Result<u64, StepError> {
    match taste {
        Some(Taste::Bad { r#type }) => Err(StepError::permanent("BAD", r#type)),
        Some(Taste::Good) | None => Ok(dough.grams),
    }
}

/// Reads what a timer says.
#[step_handler]
pub async fn sell(#[depends_on(bake)] grams: u64, #[depends_on(elsewhere::While)] end: Option<TimerEnd>) -> u64 {
    grams + u64::from(end.is_some())
}

workflow!(
    /// From flour to bread.
    pub bread = [knead, Rest, Taste, bake, elsewhere::While, sell]
);

mod by_name {
    use super::Dough;
    use tasker_runtime::prelude::*;

    /// The same, for a file.
    #[step_handler(name = "bakery_knead")]
    pub async fn bakery_knead(dough: Dough) -> u64 {
        dough.grams
    }

    /// Reads by name what no function of this program returns.
    #[step_handler(name = "bakery_bake")]
    pub async fn bakery_bake(
        #[depends_on("knead")] grams: u64,
        #[depends_on("taste")] taste: Option<String>,
    ) -> u64 {
        grams + u64::from(taste.is_some())
    }

    template!(
        /// The same, from a file.
        pub(super) by_file = "waits.yaml",
        handlers = [bakery_knead, bakery_bake]
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    std::env::set_current_dir(std::env::temp_dir())?;
    let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
    let dough = Dough { grams: 500, at: "2020-02-02T02:02:02+02:00".to_owned() };
    let task = tasker.submit(Submission::to("bread").context(&dough)?).await?;
    tasker.signal(task, &Taste::Good).await?;
    let sold: u64 = tasker.wait(task).await?.result()?;
    assert_eq!(sold, 501);
    let task = tasker.submit(Submission::to("bakery/by_file").context(&dough)?).await?;
    let baked: u64 = tasker.wait(task).await?.result()?;
    assert_eq!(baked, 500);
    Ok(())
}
