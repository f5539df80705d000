//! Errors that would be recorded as results, since something is around them, and other results that are none.
//!
//! What the macro sees in a return type it refuses by itself. A name may stand for such a type as well: that
//! is asked of the type here, as far as the compiler can be asked, and the writer of results refuses the rest
//! when a step returns it.

use std::marker::PhantomData;

use super::Routes;
use super::const_message::Text;

/// What a type holds that is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hides {
    /// As far as is known, nothing.
    Nothing,
    /// An error.
    Error,
    /// It is an enum of routes.
    Routes,
}

impl Hides {
    /// An error, if so.
    #[must_use]
    pub const fn error(hides: bool) -> Self {
        if hides { Self::Error } else { Self::Nothing }
    }

    /// The same of a type that something is around. What is no result by itself is none there, which is said of all
    /// of it.
    #[must_use]
    pub const fn inside(self) -> Self {
        match self {
            Self::Routes => Self::Nothing,
            other => other,
        }
    }
}

/// What a type holds that is no result; [`HidesNothing`] answers for all of which nothing is known.
#[derive(Debug)]
pub struct HidesError<T>(PhantomData<T>);

/// The answer for types of which nothing is known.
pub trait HidesNothing {
    /// Nothing.
    const WHAT: Hides = Hides::Nothing;
}

impl<T> HidesNothing for HidesError<T> {}

macro_rules! hides {
    ($($ty:ty),+) => {$(
        impl<T, E> HidesError<$ty> {
            /// An error.
            pub const WHAT: Hides = Hides::Error;
        }
    )+};
}

// What the compiler looks through for every handler, so no more than what people give names to.
hides!(Result<T, E>, Option<Result<T, E>>, Vec<Result<T, E>>);

impl<T: Routes> HidesError<T> {
    /// It is one itself.
    pub const WHAT: Hides = Hides::Routes;
}

/// Refuses a handler whose result holds errors, or says which routes are taken.
///
/// # Panics
/// When it is refused, which is while the program is compiled.
#[track_caller]
pub const fn hides_no_error(written: &str, hides: Hides) {
    let mut text = Text::<512>::new();
    match hides {
        Hides::Nothing => return,
        Hides::Error => {
            text.push("`").push(written).push("` holds a `Result`, whose error would be recorded as ");
            text.push(
                "success: return `Result<T, StepError>` and let the error out with `?`, or make it an ",
            );
            text.push("enum of your own where it is data");
        }
        Hides::Routes => {
            text.push("`").push(written).push("` says which steps are taken, and this handler decides ");
            text.push("nothing: add `#[decision]` beside `#[step_handler]`");
        }
    }
    text.panic();
}
