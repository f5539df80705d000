//! Errors that would be recorded as results, since something is around them.
//!
//! What the macro sees in a return type it refuses by itself. A name may stand for such a type as well: that
//! is asked of the type here, as far as the compiler can be asked, and the writer of results refuses the rest
//! when a step returns it.

use std::marker::PhantomData;

use super::const_message::Text;
use super::param::Fallback;

/// Whether a type holds errors; [`Fallback`] answers for all of which that is not known.
#[derive(Debug)]
pub struct HidesError<T>(PhantomData<T>);

impl<T> Fallback for HidesError<T> {}

macro_rules! hides {
    ($($ty:ty),+) => {$(
        impl<T, E> HidesError<$ty> {
            /// It does.
            pub const YES: bool = true;
        }
    )+};
}

// What the compiler looks through for every handler, so no more than what people give names to.
hides!(Result<T, E>, Option<Result<T, E>>, Vec<Result<T, E>>);

/// Refuses a handler whose result holds errors.
///
/// # Panics
/// When it is refused, which is while the program is compiled.
#[track_caller]
pub const fn hides_no_error(written: &str, hides: bool) {
    if hides {
        let mut text = Text::<512>::new();
        text.push("`").push(written).push("` holds a `Result`, whose error would be recorded as success: ");
        text.push("return `Result<T, StepError>` and let the error out with `?`, or make it an enum of ");
        text.push("your own where it is data").panic();
    }
}
