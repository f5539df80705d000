//! Decisions as enums: each variant says where it leads and carries what the branch is to know.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::de::{Deserialize as _, DeserializeOwned, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use super::annotated::StepFn;
use super::{Capability, Decision};
use crate::model::{Json, StepError};

/// The routes of a decision as the variants of an enum, which `#[derive(Routes)]` implements.
///
/// A handler with `#[decision]` returns the enum: its type says which steps it chooses from, and a `match` on it
/// is exhaustive.
///
/// ```
/// use tasker_runtime::handler::Routes as _;
/// use tasker_runtime::prelude::*;
///
/// #[step_handler]
/// async fn approve() -> &'static str {
///     "approved"
/// }
///
/// #[derive(Debug, PartialEq, Routes)]
/// enum Approval {
///     #[route(approve)]
///     Small { cents: u64 },
///     #[route(skip = "nothing to approve")]
///     Nothing,
/// }
///
/// let decision = Approval::Small { cents: 7 }.decision();
/// assert_eq!(decision.routes(), ["approve"]);
/// assert_eq!(Approval::of(&decision)?, Approval::Small { cents: 7 });
/// assert_eq!(Approval::Nothing.decision().reason(), Some("nothing to approve"));
/// # Ok::<(), StepError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which routes there are",
    label = "no routes",
    note = "add `#[derive(Routes)]` to an enum and `#[route(step)]` to each of its variants, or return a `Decision` and list its routes: `#[decision(routes = [approve, reject])]`"
)]
pub trait Routes: Sized {
    /// The names of all handlers that the variants lead to.
    const ROUTES: &'static [&'static str];

    /// The decision that this value stands for, with what its variant carries as data.
    fn decision(&self) -> Decision;

    /// The value that stands for a decision.
    ///
    /// # Errors
    /// A permanent one, where no variant stands for it: it was made by another program, by another version of
    /// this one or by an operator, and its data has another shape.
    fn of(decision: &Decision) -> Result<Self, StepError>;
}

/// The routes of a type; [`NoRoutes`] answers for all that have none, which is said elsewhere.
#[derive(Debug)]
pub struct RoutesOf<T>(PhantomData<T>);

impl<T: Routes> RoutesOf<T> {
    /// Their names.
    pub const ROUTES: &'static [&'static str] = T::ROUTES;
}

/// The routes of a type that has none.
pub trait NoRoutes {
    /// None.
    const ROUTES: &'static [&'static str] = &[];
}

impl<T> NoRoutes for RoutesOf<T> {}

/// The routes of a decision.
#[must_use]
pub const fn routes_of<S: StepFn>() -> &'static [&'static str] {
    match S::FACTS.capability {
        Capability::Decision(routes) => routes,
        _ => &[],
    }
}

/// What a variant can carry to the branches.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be carried by a route: it does not implement `serde::Serialize` and `serde::Deserialize`",
    label = "cannot be written and read as JSON",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to `{Self}`"
)]
pub trait Carried: Sized {
    /// As JSON.
    ///
    /// # Errors
    /// Where it has none.
    fn write(&self) -> serde_json::Result<Json>;

    /// From JSON.
    ///
    /// # Errors
    /// Where that has another shape.
    fn read(json: &Json) -> serde_json::Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Carried for T {
    fn write(&self) -> serde_json::Result<Json> {
        Json::output(self)
    }

    fn read(json: &Json) -> serde_json::Result<Self> {
        json.parse()
    }
}

/// One field of a variant: how it is written and read.
#[derive(Debug)]
pub struct Carrier<T> {
    write: fn(&T) -> serde_json::Result<Json>,
    read: fn(&Json) -> serde_json::Result<T>,
}

impl<T> Carrier<T> {
    /// A field of the type `T`.
    #[must_use]
    pub const fn of() -> Self
    where
        T: Carried,
    {
        Self { write: T::write, read: T::read }
    }

    /// The value as JSON.
    ///
    /// # Errors
    /// Why it has none.
    pub fn write(&self, value: &T) -> Data {
        (self.write)(value).map(Some).map_err(|error| error.to_string())
    }

    /// The value that is all a variant carries.
    ///
    /// # Errors
    /// A permanent one, where that has another shape.
    pub fn read(&self, taken: &Taken) -> Result<T, StepError> {
        self.parse(taken, &taken.json)
    }

    /// The value that is one of several, by its place.
    ///
    /// # Errors
    /// A permanent one, where that has another shape.
    pub fn read_item(&self, taken: &Taken, index: usize) -> Result<T, StepError> {
        let items: Vec<Json> = taken.json.parse().map_err(|error| taken.unfit(&error))?;
        self.parse(taken, items.get(index).unwrap_or(&Json::null()))
    }

    /// The value that is one of several, by its name.
    ///
    /// # Errors
    /// A permanent one, where that has another shape.
    pub fn read_field(&self, taken: &Taken, name: &str) -> Result<T, StepError> {
        let fields: BTreeMap<String, Json> = taken.json.parse().map_err(|error| taken.unfit(&error))?;
        self.parse(taken, fields.get(name).unwrap_or(&Json::null()))
    }

    fn parse(&self, taken: &Taken, json: &Json) -> Result<T, StepError> {
        (self.read)(json).map_err(|error| taken.unfit(&error))
    }
}

/// What a variant carries, or why that cannot be written.
pub type Data = Result<Option<Json>, String>;

/// What a variant without fields carries.
///
/// # Errors
/// None.
pub const fn nothing() -> Data {
    Ok(None)
}

/// What a variant with several fields without names carries.
///
/// # Errors
/// Why one of them cannot be written.
pub fn array(items: impl IntoIterator<Item = Data>) -> Data {
    let items: Vec<Option<Json>> = items.into_iter().collect::<Result<_, _>>()?;
    Json::of(&items).map(Some).map_err(|error| error.to_string())
}

/// What a variant whose fields have names carries.
///
/// # Errors
/// Why one of them cannot be written.
pub fn object(fields: impl IntoIterator<Item = (&'static str, Data)>) -> Data {
    let fields = fields.into_iter().map(|(name, data)| Ok((name, data?)));
    let fields: Vec<(&str, Option<Json>)> = fields.collect::<Result<_, String>>()?;
    Json::of(&Members(&fields)).map(Some).map_err(|error| error.to_string())
}

/// Fields in the order in which they are written.
struct Members<'f>(&'f [(&'static str, Option<Json>)]);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, json)| (name, json)))
    }
}

/// The decision that takes these routes, by their numbers in the list of `R`.
pub fn decided<R: Routes>(
    routes: &[usize],
    reason: Option<&str>,
    variant: &'static str,
    data: Data,
) -> Decision {
    let names = routes.iter().filter_map(|&route| R::ROUTES.get(route).copied());
    let decision = match reason {
        Some(reason) => Decision::skip(reason),
        None => Decision::route_by_name(names),
    };
    match data {
        Ok(None) => decision.with_data(variant),
        Ok(carried) => decision.with_data(Members(&[(variant, carried)])),
        Err(problem) => decision.unwritten(problem),
    }
}

/// The variant that stands for a decision, as its data says.
#[derive(Debug)]
pub struct Taken {
    variant: String,
    json: Json,
}

/// Reads which variant was decided.
///
/// # Errors
/// A permanent one, where the data does not say it.
pub fn taken(decision: &Decision) -> Result<Taken, StepError> {
    let Some(data) = decision.outcome()?.data.as_ref() else {
        return Err(unfit("it has no data, which says the variant"));
    };
    if let Ok(variant) = data.parse::<String>() {
        return Ok(Taken { variant, json: Json::null() });
    }
    let named = data.parse::<BTreeMap<String, Json>>().ok().filter(|named| named.len() == 1);
    let taken = named.and_then(|named| named.into_iter().next());
    let (variant, json) = taken.ok_or_else(|| unfit("its data does not say the variant"))?;
    Ok(Taken { variant, json })
}

impl Taken {
    /// Its name.
    #[must_use]
    pub fn variant(&self) -> &str {
        &self.variant
    }

    fn unfit(&self, why: &serde_json::Error) -> StepError {
        unfit(&format!("`{}` carries something else: {why}", self.variant))
    }

    /// That no variant has this name.
    #[must_use]
    pub fn unknown(&self) -> StepError {
        unfit(&format!("it has no variant `{}`", self.variant))
    }
}

fn unfit(why: &str) -> StepError {
    StepError::permanent("INVALID_DEPENDENCY", format!("the decision does not fit its enum: {why}"))
}

/// Reads a decision as its enum, as `Deserialize` does.
///
/// # Errors
/// Where no variant stands for it.
pub fn read_routes<'de, R: Routes, D: Deserializer<'de>>(from: D) -> Result<R, D::Error> {
    let decision = Decision::deserialize(from)?;
    R::of(&decision).map_err(|error| D::Error::custom(error.message()))
}
