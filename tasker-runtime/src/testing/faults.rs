//! Failures that a test asks for, in place of calls of a handler.

use std::{any::type_name, collections::HashMap, marker::PhantomData};

use async_trait::async_trait;

use crate::{
    handler::{Entry, HandlerSpec, StepFn, StepHandler},
    model::{Json, StepError},
    prelude::TaskSequenceStep,
    registry::Registration,
};

/// Which attempts fail, by the name of the handler.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(HashMap<(Option<&'static str>, &'static str), Fault>);

#[derive(Clone, Debug)]
struct Fault {
    attempts: u32,
    error: StepError,
}

impl Faults {
    /// Lets the first attempts at every step of the handler `S` fail; the handler to be registered in its
    /// place.
    pub(super) fn add<S: StepFn>(&mut self, attempts: u32, error: StepError) -> Registration {
        self.0.insert((S::NAMESPACE, S::NAME), Fault { attempts, error });
        Entry::at(const { &Faulty::<S>(PhantomData) }, S::PLACE, type_name::<S>).registration()
    }

    fn of<S: StepFn>(&self, attempt: u32) -> Option<StepError> {
        let fault = self.0.get(&(S::NAMESPACE, S::NAME))?;
        (attempt <= fault.attempts).then(|| fault.error.clone())
    }
}

/// The handler `S`, some of whose attempts fail.
struct Faulty<S>(PhantomData<S>);

#[async_trait]
impl<S: StepFn> StepHandler for Faulty<S> {
    fn name(&self) -> &str {
        S::NAME
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        let faults = step.parts().states.get::<Faults>();
        match faults.and_then(|faults| faults.of::<S>(step.attempt())) {
            Some(error) => Err(error),
            None => S::call(step).0.await,
        }
    }

    fn spec(&self) -> HandlerSpec {
        S::ENTRY.handler().spec()
    }
}
