//! A handler and where it stands in the source.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::annotated::Call;
use super::around::{Wrapped, Wrapper};
use super::{HandlerSpec, Outcome, StepHandler, TaskSequenceStep};
use crate::model::HandlerKey;

/// A handler that can be put into a registry, with its place in the source.
///
/// `#[step_handler]` and [`crate::register_handler!`] make one and have it collected at link time;
/// [`crate::handlers!`] lists them where a program prefers to say what it registers, and
/// [`Registration::of`] makes one of a handler that exists only since the program runs.
///
/// ```
/// use tasker_runtime::{handlers, prelude::*, registry::Registry};
///
/// #[step_handler(name = "shop.greet")]
/// async fn greet(name: String) -> String {
///     format!("hello {name}")
/// }
///
/// let registry = Registry::of(handlers![greet]);
/// let found = registry.find("default", "shop.greet").expect("it was put there");
/// assert_eq!(found.key().as_str(), "shop.greet");
/// ```
#[derive(Clone)]
pub struct Registration(Arc<Registered>);

struct Registered {
    handler: Arc<dyn StepHandler>,
    spec: HandlerSpec,
    key: HandlerKey,
    file: &'static str,
    line: u32,
    /// `None` for one that was made while the program runs.
    module: Option<&'static str>,
}

impl Registration {
    /// A handler that stands in line `line` of `file`, in `module`.
    #[must_use]
    pub fn new(
        handler: &'static dyn StepHandler,
        file: &'static str,
        line: u32,
        module: &'static str,
    ) -> Self {
        Self::at(Arc::new(Fixed(handler)), (file, line), Some(module))
    }

    /// A handler of whatever makes it while the program runs: a plugin, a worker of another language, a test.
    /// Its place is that of this call.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tasker_runtime::prelude::*;
    /// use tasker_runtime::registry::{Registration, Registry};
    ///
    /// struct Remote {
    ///     name: String,
    /// }
    ///
    /// impl StepHandler for Remote {
    ///     fn name(&self) -> &str {
    ///         &self.name
    ///     }
    ///
    ///     async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
    ///         step.output("done elsewhere")
    ///     }
    /// }
    ///
    /// let names = ["charge", "ship"];
    /// let remote = names.map(|name| Registration::of(Arc::new(Remote { name: name.to_owned() })));
    /// assert!(Registry::of(remote).find("shop", "ship").is_ok());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn of(handler: Arc<dyn StepHandler>) -> Self {
        let place = Location::caller();
        Self::at(handler, (place.file(), place.line()), None)
    }

    fn at(
        handler: Arc<dyn StepHandler>,
        (file, line): (&'static str, u32),
        module: Option<&'static str>,
    ) -> Self {
        let spec = handler.spec();
        let key = HandlerKey::new(spec.namespace.as_deref(), handler.name());
        Self(Arc::new(Registered { handler, spec, key, file, line, module }))
    }

    /// The same handler, called within these wrappers.
    pub(crate) fn within(&self, wrappers: &Arc<[Wrapper]>) -> Self {
        if wrappers.is_empty() {
            return self.clone();
        }
        let (handler, wrappers) = (self.handler().clone(), wrappers.clone());
        self.replaced(Arc::new(Wrapped { handler, wrappers }))
    }

    /// Another handler of the same name in the same place.
    pub(crate) fn replaced(&self, handler: Arc<dyn StepHandler>) -> Self {
        let Registered { key, file, line, module, .. } = &*self.0;
        let (spec, key) = (handler.spec(), key.clone());
        Self(Arc::new(Registered { handler, spec, key, file, line: *line, module: *module }))
    }

    /// Every handler that is linked into the program, in no particular order.
    pub(crate) fn linked() -> impl Iterator<Item = Self> {
        inventory::iter::<Linked>.into_iter().map(|linked| (linked.0)())
    }

    /// The handler.
    #[must_use]
    pub fn handler(&self) -> &Arc<dyn StepHandler> {
        &self.0.handler
    }

    /// What is known about it.
    #[must_use]
    pub fn spec(&self) -> &HandlerSpec {
        &self.0.spec
    }

    /// What the registry finds it by: its name, after its namespace if it has one, `shop.charge`.
    #[must_use]
    pub fn key(&self) -> &HandlerKey {
        &self.0.key
    }

    /// Whether both are one handler, listed twice. What was made while the program runs is so only where it is the
    /// very same value: one place makes many.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let written = self.0.module.is_some() && other.0.module.is_some();
        let one_place = written && self.place() == other.place();
        self.key() == other.key() && (one_place || Arc::ptr_eq(&self.0.handler, &other.0.handler))
    }

    /// `file:line`, where it is written.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.0.file, self.0.line)
    }

    /// The path of the module it is written in; empty for one that was made while the program runs.
    #[must_use]
    pub fn module(&self) -> &'static str {
        self.0.module.unwrap_or_default()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.0.handler.name(), self.place())
    }
}

/// A handler that is part of the program.
struct Fixed(&'static dyn StepHandler);

impl StepHandler for Fixed {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn call(&self, step: &TaskSequenceStep) -> Outcome {
        self.0.call_boxed(step).await
    }

    fn boxed<'a>(&'a self, step: &'a TaskSequenceStep) -> Call<'a> {
        Call(self.0.call_boxed(step))
    }

    fn spec(&self) -> HandlerSpec {
        self.0.spec()
    }
}

/// An annotated function and its place in the source, as a constant.
#[derive(Clone, Copy)]
pub struct Entry {
    handler: &'static dyn StepHandler,
    place: &'static Location<'static>,
    /// The path of a type in its module.
    of: fn() -> &'static str,
}

impl Entry {
    /// A handler at a place, in the module of the type whose path `of` says.
    pub(crate) const fn at(
        handler: &'static dyn StepHandler,
        place: &'static Location<'static>,
        of: fn() -> &'static str,
    ) -> Self {
        Self { handler, place, of }
    }

    /// The handler.
    #[must_use]
    pub const fn handler(&self) -> &'static dyn StepHandler {
        self.handler
    }

    /// What is put into a registry.
    #[must_use]
    pub fn registration(&self) -> Registration {
        let module = (self.of)().rsplit_once("::").map_or("", |(module, _)| module);
        Registration::new(self.handler, self.place.file(), self.place.line(), module)
    }
}

/// What is collected at link time. A function, so that nothing of it is worked out while a program is
/// compiled.
#[derive(Clone, Copy)]
pub struct Linked(pub fn() -> Registration);

inventory::collect!(Linked);

/// Puts a handler that is written by hand into the registry.
///
/// Takes a value that can be made while compiling, such as the name of a unit struct. See
/// [`crate::handler::StepHandler`].
#[macro_export]
macro_rules! register_handler {
    ($handler:expr $(,)?) => {
        const _: () = {
            use $crate::__private as __tasker;

            static HANDLER: &dyn __tasker::StepHandler = __tasker::by_hand(&$handler);
            fn registration() -> __tasker::Registration {
                __tasker::Registration::new(
                    HANDLER,
                    __tasker::core::file!(),
                    __tasker::core::line!(),
                    __tasker::core::module_path!(),
                )
            }
            __tasker::inventory::submit! { __tasker::Linked(registration) }
        };
    };
}

/// A list of annotated functions, for a program that says itself what it registers:
/// `.handlers(handlers![validate, charge]).auto_discover(false)`.
///
/// It stands for an array of [`Registration`], so lists can be chained. A handler that is written by
/// hand joins with [`Registration::new`].
#[macro_export]
macro_rules! handlers {
    ($($handler:path),* $(,)?) => {
        [$({
            // Here it can only be a type, and a function without the attribute is underlined by itself.
            type __Handler = $handler;
            const LISTED: fn() -> $crate::__private::Registration = $crate::__private::listed::<__Handler>();
            LISTED()
        }),*]
    };
    ($($other:tt)*) => {
        ::core::compile_error!("list handlers by their names, without calling them: `handlers![validate, charge]`")
    };
}
