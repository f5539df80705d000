//! Wrappers, and handlers written by hand in each form.

#![deny(warnings)]

use std::sync::atomic::{AtomicU64, Ordering};

use tasker_runtime::{prelude::*, testing};

static CALLS: AtomicU64 = AtomicU64::new(0);

mod wrappers {
    use tasker_runtime::prelude::*;

    /// Counts.
    pub(crate) async fn counted(step: &TaskSequenceStep, next: Next<'_>) -> Outcome {
        super::CALLS.fetch_add(1, super::Ordering::Relaxed);
        next.run(step).await
    }
}

async fn on_a_copy(step: &TaskSequenceStep, next: Next<'_>) -> Outcome {
    let copy = step.clone();
    next.run(&copy).await
}

#[step_handler(around = [wrappers::counted, on_a_copy])]
async fn lent(step: &TaskSequenceStep) -> usize {
    step.name().len()
}

#[step_handler(around = [wrappers::counted])]
#[decision(routes = [lent])]
async fn decide(#[input("short")] short: bool) -> Decision {
    if short { Decision::skip("short") } else { Decision::route([lent]) }
}

#[step_handler(around = [wrappers::counted], errors = "permanent")]
#[batch_worker]
async fn part(rows: Cursor<u64>) -> Result<u64, StepError> {
    Ok(rows.end - rows.start)
}

#[step_handler(around = [wrappers::counted])]
#[compensates(lent)]
async fn undo(#[depends_on(lent)] length: usize) -> usize {
    length
}

struct Native;

impl StepHandler for Native {
    fn name(&self) -> &str {
        "native"
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        step.output(&1)
    }
}

struct Future;

impl StepHandler for Future {
    fn name(&self) -> &str {
        "future"
    }

    fn call(&self, step: &TaskSequenceStep) -> impl std::future::Future<Output = Outcome> + Send {
        std::future::ready(step.output(&2))
    }
}

struct Attributed;

#[async_trait]
impl StepHandler for Attributed {
    fn name(&self) -> &str {
        "attributed"
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        step.output(&3)
    }
}

register_handler!(Native);
register_handler!(Future);
register_handler!(Attributed);

#[async_trait]
trait Elsewhere: Send + Sync {
    async fn number(&self) -> u64;
}

struct Seven;

#[async_trait]
impl Elsewhere for Seven {
    async fn number(&self) -> u64 {
        7
    }
}

fn main() -> Result<(), StepError> {
    testing::block_on(async {
        assert_eq!(testing::run_step::<lent>().await.result::<usize>()?, 4);
        let short = std::collections::BTreeMap::from([("short", true)]);
        assert!(testing::run_step::<decide>().context(&short).await.routes().is_empty());
        assert_eq!(testing::run_step::<part>().cursor(3, 5).await.result::<u64>()?, 2);
        assert_eq!(testing::run_step::<undo>().result_of::<lent>(&4).await.result::<usize>()?, 4);
        assert_eq!(CALLS.load(Ordering::Relaxed), 4);

        for (handler, number) in [(&Native as &dyn StepHandler, 1), (&Future, 2), (&Attributed, 3)] {
            assert_eq!(testing::run_handler(handler).await.result::<u64>()?, number, "{}", handler.name());
        }
        let boxed: Box<dyn Elsewhere> = Box::new(Seven);
        assert_eq!(boxed.number().await, 7);
        Ok(())
    })
}
