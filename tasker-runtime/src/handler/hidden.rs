//! Errors that would be recorded as results, since something is around them.
//!
//! What the macro sees in a return type it refuses by itself. A name may stand for such a type as well: that
//! is asked of the type here, as far as the compiler can be asked, and the writer of results refuses the rest
//! when a step returns it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::marker::PhantomData;

use super::const_message::Text;
use super::param::Fallback;

/// Whether a type holds errors; [`Fallback`] answers for all of which that is not known.
#[derive(Debug)]
pub struct HidesError<T>(PhantomData<T>);

impl<T> Fallback for HidesError<T> {}

/// The same of what comes first in a tuple.
#[derive(Debug)]
pub struct HidesErrorFirst<T>(PhantomData<T>);

impl<T> Fallback for HidesErrorFirst<T> {}

macro_rules! hides {
    ($probe:ident: $(<$($param:ident),*> $ty:ty;)+) => {$(
        impl<$($param),*> $probe<$ty> {
            /// It does.
            pub const YES: bool = true;
        }
    )+};
}

hides! { HidesError:
    <T, E> Result<T, E>;
    <T, E> Option<Result<T, E>>;
    <T, E> Vec<Result<T, E>>;
    <T, E> VecDeque<Result<T, E>>;
    <T, E> Box<Result<T, E>>;
    <K, T, E> BTreeMap<K, Result<T, E>>;
    <K, T, E, S> HashMap<K, Result<T, E>, S>;
    <A, T, E> (A, Result<T, E>);
    <A, B, T, E> (A, B, Result<T, E>);
    <T, E> Option<Option<Result<T, E>>>;
    <T, E> Option<Vec<Result<T, E>>>;
    <T, E> Vec<Option<Result<T, E>>>;
    <T, E> Vec<Vec<Result<T, E>>>;
    <A, T, E> Vec<(A, Result<T, E>)>;
    <A, T, E> Option<(A, Result<T, E>)>;
}

hides! { HidesErrorFirst:
    <A, T, E> (Result<T, E>, A);
    <A, B, T, E> (Result<T, E>, A, B);
    <A, T, E> Vec<(Result<T, E>, A)>;
    <A, T, E> Option<(Result<T, E>, A)>;
}

impl<T, E, const N: usize> HidesErrorFirst<[Result<T, E>; N]> {
    /// It does.
    pub const YES: bool = true;
}

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
