//! Methods as handlers: what they share is the state of the program.

use std::sync::{Arc, Mutex};

use support::world::{settled, worlds};
use tasker_runtime::{api::StartError, model::TaskState, prelude::*, registry::Registry};

/// A till that several tasks share.
#[derive(Clone, Default)]
struct Till {
    received: Arc<Mutex<Vec<u64>>>,
}

#[step_handlers]
impl Till {
    #[step_handler]
    async fn count_coins(&self, cents: u64) -> Result<u64, StepError> {
        self.not_closed(cents)?;
        Ok(cents)
    }

    #[step_handler(retry = 2)]
    async fn put_in(&self, #[depends_on(count_coins)] cents: u64) -> Result<usize, StepError> {
        let mut received = self.received.lock().map_err(|_| StepError::permanent("BROKEN", "broken"))?;
        received.push(cents);
        Ok(received.len())
    }

    fn not_closed(&self, cents: u64) -> Result<(), StepError> {
        if cents == 0 { Err(StepError::permanent("NO_COINS", "nothing to count")) } else { Ok(()) }
    }
}

workflow!(cashing = [count_coins, put_in]);

#[tokio::test]
async fn methods_are_called_with_what_the_program_gives() {
    for world in worlds().await {
        let till = Till::default();
        let builder = world.builder(&[]).registry(Registry::of(handlers![count_coins, put_in]));
        let builder = builder.state(till.clone()).template(cashing.template().unwrap());
        let tasker = builder.start().await.unwrap();
        for (number, cents) in [(1, 5), (2, 7)] {
            let task = cashing.submit(&tasker, &cents).await.unwrap();
            let report = settled(&tasker, task).await;
            assert_eq!(report.state, TaskState::Complete, "{}", world.database);
            assert_eq!(cashing.wait(&tasker, task).await.unwrap(), number, "{}", world.database);
        }
        assert_eq!(*till.received.lock().unwrap(), [5, 7], "{}", world.database);
        let task = cashing.submit(&tasker, &0).await.unwrap();
        let report = settled(&tasker, task).await;
        let error = report.step("count_coins").unwrap().error.clone().unwrap();
        assert_eq!(error.code(), "NO_COINS", "{}", world.database);
    }
}

#[tokio::test]
async fn program_that_does_not_give_the_value_does_not_start() {
    for world in worlds().await {
        let builder = world.builder(&[]).registry(Registry::of(handlers![count_coins, put_in]));
        let refused = builder.template(cashing.template().unwrap()).start().await.err().unwrap();
        let StartError::Wiring { problems } = refused else { panic!("{refused}") };
        assert!(problems[0].contains("takes `State<engine::methods::Till>`"), "{problems:?}");
        assert!(problems[0].contains("methods.rs:"), "{problems:?}");
    }
}
