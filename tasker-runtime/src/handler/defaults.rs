//! What stands for fields of the context that are not there.

/// What stands for a field of the context that is not there.
pub trait DefaultOf<T> {
    /// The value.
    fn value() -> T;
}

/// What can be taken where a field is not there and nothing is said of what.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no value of its own for a field that is not there: it does not implement `Default`",
    label = "no default for `{Self}`",
    note = "say which value is taken, `default = value`, or add `#[derive(Default)]` to `{Self}`; `Option<{Self}>` needs none"
)]
pub trait DefaultValue {
    /// It.
    fn value() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> DefaultValue for T {
    fn value() -> Self {
        T::default()
    }
}

/// What can be made of text, for a field that is not there.
#[diagnostic::on_unimplemented(
    message = "the default of this parameter is text, and the parameter is `{Self}`",
    label = "expected `{Self}`",
    note = "write a value of that type, a number or a path without quotes: `default = 7`"
)]
pub trait DefaultText {
    /// It.
    fn of(text: &'static str) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T> DefaultText for T
where
    &'static str: Into<T>,
{
    fn of(text: &'static str) -> Self {
        text.into()
    }
}

/// The value of the type itself.
#[must_use]
pub fn default_value<T: DefaultValue>() -> T {
    T::value()
}

/// What the type makes of text.
#[must_use]
pub fn default_text<T: DefaultText>(text: &'static str) -> T {
    T::of(text)
}
