//! Calls of functions with so many parameters, and which of them are safe to make.
//!
//! Generic code instead of a closure for each handler, since whoever uses the crate compiles that one again and
//! again. Written out, since the compiler shows the bound that a future breaks as it stands here.

use std::marker::PhantomData;

use super::TaskSequenceStep;
use super::annotated::{self, Call};
use super::param::{Fallback, Parameter};
use crate::model::{Json, StepError};

/// The end of a call: what makes JSON of what the function returned.
type Finish<R> = fn(R) -> Result<Json, StepError>;

/// Calls a function without parameters, and ends with its result.
pub fn call_0<'a, R, F>(_: &'a TaskSequenceStep, function: fn() -> F, finish: Finish<R>) -> Call<'a>
where
    R: 'a,
    F: Future<Output = R> + Send + 'a, // any thread goes on with it: hold only what is `Send` across `.await`
{
    Call::of(async move {
        let future = function();
        finish(future.await)
    })
}

/// Reads the parameter, calls the function, and ends with its result.
pub fn call_1<'a, R, F, A: 'a>(
    step: &'a TaskSequenceStep,
    function: fn(A) -> F,
    a: &'static Parameter<A>,
    finish: Finish<R>,
) -> Call<'a>
where
    R: 'a,
    F: Future<Output = R> + Send + 'a, // any thread goes on with it: hold only what is `Send` across `.await`
{
    Call::of(async move {
        let future = function(a.read(step)?);
        finish(future.await)
    })
}

/// Reads the two parameters, calls the function, and ends with its result.
pub fn call_2<'a, R, F, A: 'a, B: 'a>(
    step: &'a TaskSequenceStep,
    function: fn(A, B) -> F,
    a: &'static Parameter<A>,
    b: &'static Parameter<B>,
    finish: Finish<R>,
) -> Call<'a>
where
    R: 'a,
    F: Future<Output = R> + Send + 'a, // any thread goes on with it: hold only what is `Send` across `.await`
{
    Call::of(async move {
        let future = function(a.read(step)?, b.read(step)?);
        finish(future.await)
    })
}

/// Reads the three parameters, calls the function, and ends with its result.
pub fn call_3<'a, R, F, A: 'a, B: 'a, C: 'a>(
    step: &'a TaskSequenceStep,
    function: fn(A, B, C) -> F,
    a: &'static Parameter<A>,
    b: &'static Parameter<B>,
    c: &'static Parameter<C>,
    finish: Finish<R>,
) -> Call<'a>
where
    R: 'a,
    F: Future<Output = R> + Send + 'a, // any thread goes on with it: hold only what is `Send` across `.await`
{
    Call::of(async move {
        let future = function(a.read(step)?, b.read(step)?, c.read(step)?);
        finish(future.await)
    })
}

/// Reads the four parameters, calls the function, and ends with its result.
pub fn call_4<'a, R, F, A: 'a, B: 'a, C: 'a, D: 'a>(
    step: &'a TaskSequenceStep,
    function: fn(A, B, C, D) -> F,
    a: &'static Parameter<A>,
    b: &'static Parameter<B>,
    c: &'static Parameter<C>,
    d: &'static Parameter<D>,
    finish: Finish<R>,
) -> Call<'a>
where
    R: 'a,
    F: Future<Output = R> + Send + 'a, // any thread goes on with it: hold only what is `Send` across `.await`
{
    Call::of(async move {
        let future = function(a.read(step)?, b.read(step)?, c.read(step)?, d.read(step)?);
        finish(future.await)
    })
}

/// Reads the five parameters, calls the function, and ends with its result.
#[allow(clippy::too_many_arguments)]
pub fn call_5<'a, R, F, A: 'a, B: 'a, C: 'a, D: 'a, E: 'a>(
    step: &'a TaskSequenceStep,
    function: fn(A, B, C, D, E) -> F,
    a: &'static Parameter<A>,
    b: &'static Parameter<B>,
    c: &'static Parameter<C>,
    d: &'static Parameter<D>,
    e: &'static Parameter<E>,
    finish: Finish<R>,
) -> Call<'a>
where
    R: 'a,
    F: Future<Output = R> + Send + 'a, // any thread goes on with it: hold only what is `Send` across `.await`
{
    Call::of(async move {
        let future = function(a.read(step)?, b.read(step)?, c.read(step)?, d.read(step)?, e.read(step)?);
        finish(future.await)
    })
}

/// Reads the six parameters, calls the function, and ends with its result.
#[allow(clippy::too_many_arguments)]
pub fn call_6<'a, R, F, A: 'a, B: 'a, C: 'a, D: 'a, E: 'a, G: 'a>(
    step: &'a TaskSequenceStep,
    function: fn(A, B, C, D, E, G) -> F,
    a: &'static Parameter<A>,
    b: &'static Parameter<B>,
    c: &'static Parameter<C>,
    d: &'static Parameter<D>,
    e: &'static Parameter<E>,
    g: &'static Parameter<G>,
    finish: Finish<R>,
) -> Call<'a>
where
    R: 'a,
    F: Future<Output = R> + Send + 'a, // any thread goes on with it: hold only what is `Send` across `.await`
{
    Call::of(async move {
        let future = function(
            a.read(step)?,
            b.read(step)?,
            c.read(step)?,
            d.read(step)?,
            e.read(step)?,
            g.read(step)?,
        );
        finish(future.await)
    })
}

/// What the program can hand to its handlers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be shared by handlers: it is not `Send` and `Sync`",
    label = "handlers run on several threads at once",
    note = "say of a trait object that it is both: `dyn Trait + Send + Sync`; take `Arc` for `Rc`, `Mutex` or an atomic for `RefCell` and `Cell`"
)]
pub trait Shareable: Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static> Shareable for T {}

/// Whether a state can be shared; [`Fallback`] answers for all that cannot.
#[derive(Debug)]
pub struct Shares<T>(PhantomData<T>);

impl<T: Shareable> Shares<T> {
    /// It can.
    pub const YES: bool = true;
}

impl<T> Fallback for Shares<T> {}

/// The calls of a handler that takes state. Where that cannot be `SHARED`, which is said of its type, the future of
/// the call cannot move between threads either, and nothing is asked of it.
#[derive(Debug)]
pub struct Sharing<const SHARED: bool>;

impl Sharing<true> {
    /// As [`annotated::run`].
    pub fn run<'a, R, F>(
        step: &'a TaskSequenceStep,
        start: impl FnOnce(&'a TaskSequenceStep) -> Result<F, StepError> + Send + 'a,
        finish: Finish<R>,
    ) -> Call<'a>
    where
        R: 'a,
        F: Future<Output = R> + Send + 'a,
    {
        annotated::run(step, start, finish)
    }

    /// As [`annotated::run_with_step`].
    pub fn run_with_step<'a, R, F>(
        step: &'a TaskSequenceStep,
        start: impl FnOnce(&'a TaskSequenceStep) -> Result<F, StepError> + Send + 'a,
        finish: fn(&TaskSequenceStep, R) -> Result<Json, StepError>,
    ) -> Call<'a>
    where
        R: 'a,
        F: Future<Output = R> + Send + 'a,
    {
        annotated::run_with_step(step, start, finish)
    }
}

impl Sharing<false> {
    /// No call.
    pub fn run<'a, R, F: Future<Output = R>>(
        _: &'a TaskSequenceStep,
        _: impl FnOnce(&'a TaskSequenceStep) -> Result<F, StepError>,
        _: Finish<R>,
    ) -> Call<'a> {
        annotated::never_called()
    }

    /// No call.
    pub fn run_with_step<'a, R, F: Future<Output = R>>(
        _: &'a TaskSequenceStep,
        _: impl FnOnce(&'a TaskSequenceStep) -> Result<F, StepError>,
        _: fn(&TaskSequenceStep, R) -> Result<Json, StepError>,
    ) -> Call<'a> {
        annotated::never_called()
    }
}

macro_rules! sharing {
    ($($name:ident($($param:ident: $ty:ident),*);)+) => {
        impl Sharing<true> {$(
            /// As the function of this name.
            #[allow(clippy::too_many_arguments)]
            pub fn $name<'a, R, F, $($ty: 'a),*>(
                step: &'a TaskSequenceStep,
                function: fn($($ty),*) -> F,
                $($param: &'static Parameter<$ty>,)*
                finish: Finish<R>,
            ) -> Call<'a>
            where
                R: 'a,
                F: Future<Output = R> + Send + 'a,
            {
                $name(step, function, $($param,)* finish)
            }
        )+}

        impl Sharing<false> {$(
            /// No call.
            #[allow(clippy::too_many_arguments, unused_variables)]
            pub fn $name<'a, R, F: Future<Output = R>, $($ty),*>(
                step: &'a TaskSequenceStep,
                function: fn($($ty),*) -> F,
                $($param: &'static Parameter<$ty>,)*
                finish: Finish<R>,
            ) -> Call<'a> {
                annotated::never_called()
            }
        )+}
    };
}

sharing! {
    call_1(a: A);
    call_2(a: A, b: B);
    call_3(a: A, b: B, c: C);
    call_4(a: A, b: B, c: C, d: D);
    call_5(a: A, b: B, c: C, d: D, e: E);
    call_6(a: A, b: B, c: C, d: D, e: E, g: G);
}
