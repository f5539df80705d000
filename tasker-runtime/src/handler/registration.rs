//! A handler and where it stands in the source.

use std::fmt;
use std::panic::Location;

use super::StepHandler;

/// A handler that can be put into a registry, with its place in the source.
///
/// `#[step_handler]` and [`crate::register_handler!`] make one and have it collected at link time;
/// [`crate::handlers!`] lists them where a program prefers to say what it registers.
#[derive(Clone, Copy)]
pub struct Registration {
    handler: &'static dyn StepHandler,
    file: &'static str,
    line: u32,
    module: Module,
}

/// How the module is known.
#[derive(Clone, Copy)]
enum Module {
    Path(&'static str),
    /// The path of a type in it.
    Of(fn() -> &'static str),
}

impl Registration {
    /// A handler that stands in line `line` of `file`, in `module`.
    #[must_use]
    pub const fn new(
        handler: &'static dyn StepHandler,
        file: &'static str,
        line: u32,
        module: &'static str,
    ) -> Self {
        Self { handler, file, line, module: Module::Path(module) }
    }

    /// A handler at a place, in the module of the type whose path `of` says.
    pub(crate) const fn at(
        handler: &'static dyn StepHandler,
        place: &'static Location<'static>,
        of: fn() -> &'static str,
    ) -> Self {
        Self { handler, file: place.file(), line: place.line(), module: Module::Of(of) }
    }

    /// Every handler that is linked into the program, in no particular order.
    pub(crate) fn linked() -> impl Iterator<Item = Self> {
        inventory::iter::<Linked>.into_iter().map(|linked| (linked.0)())
    }

    /// The handler.
    #[must_use]
    pub fn handler(&self) -> &'static dyn StepHandler {
        self.handler
    }

    /// What the registry finds it by: its name, after its namespace if it has one, `shop.charge`.
    #[must_use]
    pub fn key(&self) -> String {
        let name = self.handler.name();
        match self.handler.facts().namespace {
            Some(namespace) => format!("{namespace}.{name}"),
            None => name.to_owned(),
        }
    }

    /// `file:line`, where it is written.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    /// The path of the module it is written in.
    #[must_use]
    pub fn module(&self) -> &'static str {
        match self.module {
            Module::Path(path) => path,
            Module::Of(of) => of().rsplit_once("::").map_or("", |(module, _)| module),
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.handler.name(), self.place())
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
            use $crate::rules as __tasker;

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
        [$($crate::rules::entry::<$handler>()),*]
    };
}
