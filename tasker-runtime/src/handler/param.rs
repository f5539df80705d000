//! How each parameter of an annotated function is taken from the step.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::annotated::StepFn;
use super::batch::Batches;
use super::const_message::Text;
use super::defaults::DefaultOf;
use super::upstream::{CompensatedOf, OutputOf, compensated_result, exact, loose, loose_or_null};
use super::{Capability, FromStep, Need, TaskSequenceStep, TypeFacts, field};
use crate::model::{Json, StepError};

/// One parameter: what it needs and how it is read.
pub struct Parameter<T> {
    read: fn(&TaskSequenceStep, &'static str) -> Result<T, StepError>,
    text: &'static str,
    /// What must be there.
    pub need: Need,
}

impl<T> Parameter<T> {
    /// A parameter that its type explains: an extractor or else the context.
    ///
    /// Refuses one that belongs to an attribute which the handler does not have.
    #[must_use]
    #[track_caller]
    pub const fn by_type<const EXTRACTOR: bool>() -> Self
    where
        T: StepInput<EXTRACTOR>,
    {
        if matches!(T::NEED, Need::Api | Need::Batch(_) | Need::All(_)) {
            refuse_api(T::NEED);
            refuse_batch(T::NEED);
        }
        Self::by_type_of_all()
    }

    /// The same, beside `#[api]`.
    #[must_use]
    #[track_caller]
    pub const fn by_type_of_api<const EXTRACTOR: bool>() -> Self
    where
        T: StepInput<EXTRACTOR>,
    {
        refuse_batch(T::NEED);
        Self::by_type_of_all()
    }

    /// The same, beside `#[batch_worker]`.
    #[must_use]
    #[track_caller]
    pub const fn by_type_of_batch<const EXTRACTOR: bool>() -> Self
    where
        T: StepInput<EXTRACTOR>,
    {
        refuse_api(T::NEED);
        Self::by_type_of_all()
    }

    /// The same, beside both.
    #[must_use]
    #[track_caller]
    pub const fn by_type_of_all<const EXTRACTOR: bool>() -> Self
    where
        T: StepInput<EXTRACTOR>,
    {
        Self { read: |step, _| T::take(step), text: "", need: T::NEED }
    }

    /// `#[depends_on("name")]`; `GATHERS` is whether it takes the failures of batches too.
    #[must_use]
    pub const fn depends_on_name<const GATHERS: bool>(name: &'static str, optional: bool) -> Self
    where
        T: Readable,
    {
        let read = if optional { loose_or_null::<T, GATHERS> } else { loose::<T, GATHERS> };
        Self { read, text: name, need: Need::Step { name, exact: None, optional, carried: &[] } }
    }

    /// `#[input("path")]`.
    #[must_use]
    pub const fn input(path: &'static str) -> Self
    where
        T: Readable,
    {
        Self { read: |step, path| T::field(step.context_json(), path), text: path, need: Need::Input(path) }
    }

    /// `#[input("path", default = …)]`.
    #[must_use]
    pub const fn input_or<D: DefaultOf<T>>(path: &'static str) -> Self
    where
        T: Readable,
    {
        Self {
            read: |step, path| T::field_or(step.context_json(), path, D::value),
            text: path,
            need: Need::Input(path),
        }
    }

    /// A field of a parameter struct that its type explains: an extractor.
    #[must_use]
    pub const fn extractor() -> Self
    where
        T: FieldInput,
    {
        Self { read: |step, _| T::take_field(step), text: "", need: Need::All(T::NEEDS) }
    }

    /// Takes the value.
    ///
    /// # Errors
    /// Why the step does not have it.
    pub fn read(&self, step: &TaskSequenceStep) -> Result<T, StepError> {
        (self.read)(step, self.text)
    }
}

/// A parameter with `#[depends_on(path)]`.
///
/// # Panics
/// When the handler is no step, which is while the program is compiled.
#[must_use]
#[track_caller]
pub const fn depends_on<S, T>() -> Parameter<T>
where
    S: StepFn,
    T: OutputOf<S::Output>,
    S::Output: Readable,
{
    if S::COMPENSATES {
        let mut text = Text::<512>::new();
        text.push("`").push(S::NAME).push("` compensates another handler and is no step: ");
        text.push("nobody can read what it returns").panic();
    }
    let need = Need::Step {
        name: S::NAME,
        exact: Some(TypeFacts::of::<S::Output>()),
        optional: <T as OutputOf<S::Output>>::OPTIONAL,
        carried: <T as OutputOf<S::Output>>::CARRIED,
    };
    Parameter { read: exact::<T, S::Output>, text: S::NAME, need }
}

/// What a handler waits for that does not read it.
///
/// # Panics
/// When that is no step, which is while the program is compiled.
#[must_use]
#[track_caller]
pub const fn after<S: StepFn>() -> Need {
    if S::COMPENSATES {
        let mut text = Text::<512>::new();
        text.push("`")
            .push(S::NAME)
            .push("` compensates another handler and is no step: nothing comes after it")
            .panic();
    }
    Need::After(S::NAME)
}

/// A parameter with `#[depends_on(path)]` of a handler that undoes this very one: it reads what the call
/// returned that is undone, of a batch worker the result of one batch.
///
/// # Panics
/// When it takes all batches of a worker, which is while the program is compiled.
#[must_use]
#[track_caller]
pub const fn compensated<S, T>() -> Parameter<T>
where
    S: StepFn,
    T: CompensatedOf<S::Output>,
{
    if T::WHOLE && matches!(S::FACTS.capability, Capability::BatchWorker) {
        let mut text = Text::<512>::new();
        text.push("`").push(S::NAME).push("` is a batch worker and is undone batch by batch: ");
        text.push("take what one batch returns").panic();
    }
    let need = Need::Step {
        name: S::NAME,
        exact: Some(TypeFacts::of::<S::Output>()),
        optional: false,
        carried: &[],
    };
    Parameter { read: compensated_result::<T, S::Output>, text: S::NAME, need }
}

/// Refuses a handler that reads the context twice, which is nearly always an upstream that nobody
/// declared.
#[track_caller]
pub const fn one_context(handler: &str, needs: &[Need]) {
    let mut contexts = 0;
    let mut at = 0;
    while at < needs.len() {
        if matches!(needs[at], Need::Context) {
            contexts += 1;
        }
        at += 1;
    }
    if contexts > 1 {
        let mut text = Text::<512>::new();
        text.push("handler `").push(handler).push("` reads the context of the task more than once: ");
        text.push(
            "mark what another step returns with `#[depends_on(step)]`, or read all fields as one struct",
        );
        text.panic();
    }
}

/// Refuses `#[api]` where no parameter calls anything.
#[track_caller]
pub const fn some_api(handler: &str, needs: &[Need]) {
    if !has_api(needs) {
        let mut text = Text::<512>::new();
        text.push("handler `").push(handler).push("` has `#[api]` and does not call it: ");
        text.push("add the parameter `api: Api`, or take the attribute away");
        text.panic();
    }
}

const fn has_api(needs: &[Need]) -> bool {
    let mut at = 0;
    while at < needs.len() {
        match needs[at] {
            Need::Api => return true,
            Need::All(more) if has_api(more) => return true,
            _ => {}
        }
        at += 1;
    }
    false
}

#[track_caller]
const fn refuse_api(need: Need) {
    if has_api(&[need]) {
        let mut text = Text::<512>::new();
        text.push("this parameter calls an API and nothing says which: ");
        text.push(
            "add `#[api(base_url = \"https://…\")]` or `#[api(config = \"name\")]` beside `#[step_handler]`",
        );
        text.panic();
    }
}

#[track_caller]
const fn refuse_batch(need: Need) {
    if let Some(taken) = batch_need(&[need]) {
        let mut text = Text::<512>::new();
        text.push("this parameter takes a `").push(taken).push("`, which belongs to a batch: ");
        text.push("add `#[batch_worker]` beside `#[step_handler]`").panic();
    }
}

/// The extractor that needs a batch, if one of these does.
pub(super) const fn batch_need(needs: &[Need]) -> Option<&'static str> {
    let mut at = 0;
    while at < needs.len() {
        let found = match needs[at] {
            Need::Batch(name) => Some(name),
            Need::All(more) => batch_need(more),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
        at += 1;
    }
    None
}

/// Whether a type is an extractor; [`Fallback`] answers for all that are not.
#[derive(Debug)]
pub struct Kind<T>(PhantomData<T>);

impl<T: FromStep> Kind<T> {
    /// It is.
    pub const YES: bool = true;
}

/// What a handler reads the context as: the first parameter that is no extractor.
pub trait Pick<const EXTRACTOR: bool, T, Rest> {
    /// `T`, or what follows where that is an extractor.
    type Out;
}

impl<T, Rest> Pick<false, T, Rest> for () {
    type Out = T;
}

impl<T, Rest> Pick<true, T, Rest> for () {
    type Out = Rest;
}

/// Stands for the context where a handler does not read it.
#[derive(Debug)]
pub struct NoContext;

/// Whether one of these is the context as a whole.
pub(crate) const fn reads(needs: &[Need]) -> bool {
    let mut at = 0;
    while at < needs.len() {
        if matches!(needs[at], Need::Context) {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether one of these reads the step `name`.
pub(super) const fn reads_step(needs: &[Need], name: &str) -> bool {
    let mut at = 0;
    while at < needs.len() {
        let reads = match needs[at] {
            Need::Step { name: read, .. } => equal(read, name),
            Need::All(more) => reads_step(more, name),
            _ => false,
        };
        if reads {
            return true;
        }
        at += 1;
    }
    false
}

const fn equal(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while one.len() == other.len() && at < one.len() && one[at] == other[at] {
        at += 1;
    }
    one.len() == other.len() && at == one.len()
}

/// The answer no, where a type has no answer of its own.
pub trait Fallback {
    /// It is not.
    const YES: bool = false;
}

impl<T> Fallback for Kind<T> {}

/// Whether a type takes the failures of batches too; [`Fallback`] answers for all that do not.
#[derive(Debug)]
pub struct Gathers<T>(PhantomData<T>);

impl<T> Gathers<Batches<T>> {
    /// It does.
    pub const YES: bool = true;
}

impl<T> Gathers<Option<Batches<T>>> {
    /// It does, where there are any.
    pub const YES: bool = true;
}

impl<T> Fallback for Gathers<T> {}

/// A parameter that its type explains.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a step input: it does not implement `serde::Deserialize`",
    label = "cannot be read from the context of a task",
    note = "add `#[derive(serde::Deserialize)]` to `{Self}`, or `#[derive(FromStep)]` where it is a struct of parameters; what the program gives to all its handlers is taken as `State<T>`"
)]
pub trait StepInput<const EXTRACTOR: bool = false>: Sized {
    /// What must be there.
    const NEED: Need;

    /// Takes the value.
    ///
    /// # Errors
    /// Why the step does not have it.
    fn take(step: &TaskSequenceStep) -> Result<Self, StepError>;
}

impl<T: FromStep> StepInput<true> for T {
    const NEED: Need = Need::All(T::NEEDS);

    fn take(step: &TaskSequenceStep) -> Result<Self, StepError> {
        T::from_step(step)
    }
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> StepInput<false> for T {
    const NEED: Need = Need::Context;

    fn take(step: &TaskSequenceStep) -> Result<Self, StepError> {
        step.context()
    }
}

/// A field of a parameter struct that nothing but its type explains.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not taken from a step: it does not implement `FromStep`",
    label = "nothing says where this field comes from",
    note = "mark the field with `#[depends_on(step)]` or `#[input(\"field\")]`; the context as a whole is a parameter of its own beside this struct"
)]
pub trait FieldInput: Sized {
    /// What must be there.
    const NEEDS: &'static [Need];

    /// Takes the value.
    ///
    /// # Errors
    /// Why the step does not have it.
    fn take_field(step: &TaskSequenceStep) -> Result<Self, StepError>;
}

#[diagnostic::do_not_recommend]
impl<T: FromStep> FieldInput for T {
    const NEEDS: &'static [Need] = T::NEEDS;

    fn take_field(step: &TaskSequenceStep) -> Result<Self, StepError> {
        T::from_step(step)
    }
}

/// The parameter struct of a derive that is mistaken: it is never taken.
///
/// # Errors
/// Always.
pub fn never_taken<T>() -> Result<T, StepError> {
    Err(StepError::permanent("MISTAKEN_PARAMETERS", "the parameters did not compile"))
}

/// What can be read from JSON.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a step input: it does not implement `serde::Deserialize`",
    label = "cannot be read from JSON",
    note = "add `#[derive(serde::Deserialize)]` to `{Self}`"
)]
pub trait Readable: Sized {
    /// Reads a whole document.
    ///
    /// # Errors
    /// Where it has another shape.
    fn read(json: &Json) -> serde_json::Result<Self>;

    /// Reads a tree.
    ///
    /// # Errors
    /// Where it has another shape.
    fn read_value(value: &Value) -> serde_json::Result<Self>;

    /// Reads one field of the context.
    ///
    /// # Errors
    /// Where it is not there or has another shape.
    fn field(json: &Json, path: &'static str) -> Result<Self, StepError>;

    /// Reads one field of the context, where it is there.
    ///
    /// # Errors
    /// Where it has another shape.
    fn field_or(json: &Json, path: &'static str, default: fn() -> Self) -> Result<Self, StepError>;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Readable for T {
    fn read(json: &Json) -> serde_json::Result<Self> {
        json.parse()
    }

    fn read_value(value: &Value) -> serde_json::Result<Self> {
        T::deserialize(value)
    }

    fn field(json: &Json, path: &'static str) -> Result<Self, StepError> {
        field::read(json, path)
    }

    fn field_or(json: &Json, path: &'static str, default: fn() -> Self) -> Result<Self, StepError> {
        Ok(field::find(json, path)?.unwrap_or_else(default))
    }
}
