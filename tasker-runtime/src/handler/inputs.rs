//! The parameters of a handler as types, for a function that stands in for it in a test.

use std::any::type_name;
use std::marker::PhantomData;
use std::slice::Iter;

use super::param::{Readable, StepInput};
use super::upstream::loose_or_null;
use super::{Need, TaskSequenceStep};
use crate::model::StepError;

/// A parameter: where its value comes from, and its type.
pub trait Input {
    /// Its type.
    type Value;

    /// Takes the value. `needs` are those of the parameters from this one on.
    ///
    /// # Errors
    /// Why the step does not have it.
    fn take(step: &TaskSequenceStep, needs: &mut Iter<'_, Need>) -> Result<Self::Value, StepError>;
}

/// An extractor, or the context.
#[derive(Debug)]
pub struct ByType<const EXTRACTOR: bool, T>(PhantomData<T>);
/// What another step returned.
#[derive(Debug)]
pub struct OfStep<T>(PhantomData<T>);
/// A field of the context.
#[derive(Debug)]
pub struct OfField<T>(PhantomData<T>);
/// The step as a whole.
#[derive(Debug)]
pub struct OfAll;

impl<const EXTRACTOR: bool, T: StepInput<EXTRACTOR>> Input for ByType<EXTRACTOR, T> {
    type Value = T;

    fn take(step: &TaskSequenceStep, _: &mut Iter<'_, Need>) -> Result<T, StepError> {
        T::take(step)
    }
}

impl<T: Readable> Input for OfStep<T> {
    type Value = T;

    fn take(step: &TaskSequenceStep, needs: &mut Iter<'_, Need>) -> Result<T, StepError> {
        let name = needs.find_map(|need| match need {
            Need::Step { name, .. } => Some(*name),
            _ => None,
        });
        // Those that take the failures of batches as well cannot be told from others by a bound.
        let read = match type_name::<T>().contains("::Batches<") {
            true => loose_or_null::<T, true>,
            false => loose_or_null::<T, false>,
        };
        read(step, name.unwrap_or_default())
    }
}

impl<T: Readable> Input for OfField<T> {
    type Value = T;

    fn take(step: &TaskSequenceStep, needs: &mut Iter<'_, Need>) -> Result<T, StepError> {
        let path = needs.find_map(|need| match need {
            Need::Input(path) => Some(*path),
            _ => None,
        });
        T::field(step.context_json(), path.unwrap_or_default())
    }
}

impl Input for OfAll {
    type Value = TaskSequenceStep;

    fn take(step: &TaskSequenceStep, _: &mut Iter<'_, Need>) -> Result<TaskSequenceStep, StepError> {
        Ok(step.clone())
    }
}

/// A function that takes these inputs.
pub trait Takes<Inputs> {
    /// What it comes to.
    type Calling;

    /// Takes the inputs and calls the function.
    ///
    /// # Errors
    /// Why the step does not have one of them.
    fn start(&self, step: &TaskSequenceStep, needs: &[Need]) -> Result<Self::Calling, StepError>;
}

macro_rules! takes {
    ($($input:ident),*) => {
        #[diagnostic::do_not_recommend]
        impl<F, C, $($input: Input),*> Takes<($($input,)*)> for F
        where
            F: Fn($($input::Value),*) -> C,
        {
            type Calling = C;

            #[allow(unused_variables, unused_mut)]
            fn start(&self, step: &TaskSequenceStep, needs: &[Need]) -> Result<C, StepError> {
                let mut needs = needs.iter();
                Ok(self($($input::take(step, &mut needs)?),*))
            }
        }
    };
}

takes!();
takes!(A);
takes!(A, B);
takes!(A, B, D);
takes!(A, B, D, E);
takes!(A, B, D, E, G);
takes!(A, B, D, E, G, H);
takes!(A, B, D, E, G, H, I);
takes!(A, B, D, E, G, H, I, J);
