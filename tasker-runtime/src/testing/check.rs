//! The checks of a start, as a test.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::lock;
use crate::{
    api::{Builder, Tasker},
    config::Config,
};

/// The checks that a start makes, without a database: what [`check!`](crate::testing::check) expands to.
#[doc(hidden)]
#[derive(Debug)]
#[must_use = "nothing is checked before `run`"]
pub struct Check {
    package: PathBuf,
    /// `None`: what the settings say.
    templates: Option<PathBuf>,
    lock: Option<PathBuf>,
    builder: Builder,
}

/// Everything that would keep the program from starting.
#[doc(hidden)]
pub struct Misfit(String);

impl fmt::Debug for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Check {
    /// Of everything that is linked, and the templates of the package in this directory.
    pub fn of_package(directory: &str) -> Self {
        Self { package: directory.into(), templates: None, lock: None, builder: Tasker::builder() }
    }

    /// Where its template files are, from its directory on.
    pub fn templates(mut self, directory: impl AsRef<Path>) -> Self {
        self.templates = Some(self.package.join(directory));
        self
    }

    /// Where the shapes of its workflows are kept, from its directory on.
    pub fn lock(mut self, file: impl AsRef<Path>) -> Self {
        self.lock = Some(self.package.join(file));
        self
    }

    /// The program gives a `T` to its handlers.
    pub fn state<T: 'static>(mut self) -> Self {
        self.builder = self.builder.promise_state::<T>();
        self
    }

    /// Makes the checks.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn run(self) -> Result<(), Misfit> {
        let config = Config::load().map_err(|error| Misfit(error.to_string()))?;
        let usual = || self.package.join(&config.settings().templates.directory);
        let directory = match self.templates {
            Some(directory) if !directory.is_dir() => {
                return Err(Misfit(format!("there is no directory {}", directory.display())));
            }
            Some(directory) => directory,
            None => usual(),
        };
        let checked = self.builder.config(&config).template_directory(directory).check();
        let checked = checked.map_err(|error| Misfit(said(&error.to_string())))?;
        for warning in checked.warnings() {
            eprintln!("warning: {warning}");
        }
        let Some(file) = self.lock else { return Ok(()) };
        let (catalog, registry) = checked.shapes();
        lock::check(&file, catalog, &registry, lock::Rules::of_environment()).map_err(Misfit)
    }
}

/// The way out is another one here than in a program that starts.
fn said(problems: &str) -> String {
    problems.replace(
        "give it with `.state(value)` where the program starts",
        "give it with `.state(value)` where the program starts, and name its type here: `check!(state = [..])`",
    )
}

/// A test that makes the checks of a start over everything that is linked: handlers of one name, templates
/// whose handlers are missing or do not fit, configurations of another shape, missing state.
///
/// Stands where a function stands. Templates are read from `config/tasks` in the directory of the package,
/// or where the settings say, or from `templates`; `state` lists the types of what the program gives to its
/// handlers:
///
/// ```
/// # struct Prices;
/// # struct Gateway;
/// #[cfg(test)]
/// mod tests {
///     # use super::*;
///     tasker_runtime::testing::check!(templates = "config/tasks", state = [Prices, Gateway]);
/// }
/// ```
///
/// `lock = "workflows.lock"` keeps the shape of each workflow in that file of the package: its steps with their kinds,
/// edges and handlers, and what these read and return. Where it changes while the version stays, the test fails and
/// says how: tasks that are under way would meet it. A new version, and a first run, are written there; where `CI` is
/// set nothing is, and what is missing fails. `WORKFLOW_LOCK=accept cargo test` accepts a change.
///
/// ```no_run
/// tasker_runtime::testing::check!(lock = "workflows.lock");
/// ```
///
/// In a file below `tests/`, `use my_crate as _;` links the crate whose handlers are meant.
#[doc(hidden)]
#[macro_export]
macro_rules! __tasker_check {
    (@ $check:ident templates $directory:literal) => {
        $check.templates($directory)
    };
    (@ $check:ident lock $file:literal) => {
        $check.lock($file)
    };
    (@ $check:ident state [$($state:ty),* $(,)?]) => {
        $check$(.state::<$state>())*
    };
    (@ $($other:tt)*) => {
        $crate::__tasker_check! { no such option }
    };
    (no such option) => {
        ::core::compile_error! { "`check!` takes `templates = \"folder\"`, `state = [Type, ..]` and `lock = \"file\"`, each where it is needed" }
    };
    ($($option:ident = $value:tt),* $(,)?) => {
        /// Everything that is linked fits together.
        #[test]
        fn handlers_and_templates_fit_together() -> ::core::result::Result<(), $crate::testing::Misfit> {
            let check = $crate::testing::Check::of_package(::core::env!("CARGO_MANIFEST_DIR"));
            $(let check = $crate::__tasker_check!(@ check $option $value);)*
            check.run()
        }
    };
    ($($other:tt)*) => {
        $crate::__tasker_check! { no such option }
    };
}
