//! Steps that are declared in this program and implemented elsewhere.

use tasker_template::{Step, Template};

use super::check::{Check, Problem};
use super::{Registration, Registry};
use crate::handler::TypeFacts;
use crate::handler::annotated::{Place, StepFn};
use crate::model::HandlerKey;

/// A step that another crate, program or language implements, as `declare_step!` says it.
#[derive(Clone, Copy)]
pub struct DeclaredStep {
    namespace: Option<&'static str>,
    name: &'static str,
    output: TypeFacts,
    place: Place,
}

inventory::collect!(DeclaredStep);

impl DeclaredStep {
    /// The step `S`.
    #[must_use]
    pub const fn of<S: StepFn>() -> Self {
        Self { namespace: S::NAMESPACE, name: S::NAME, output: TypeFacts::of::<S::Output>(), place: S::PLACE }
    }

    /// What workers have its handler under.
    fn key(&self) -> HandlerKey {
        HandlerKey::new(self.namespace, self.name)
    }

    fn place(&self) -> String {
        format!("{}:{}", self.place.file(), self.place.line())
    }
}

fn all() -> Vec<&'static DeclaredStep> {
    let mut all: Vec<&DeclaredStep> = inventory::iter::<DeclaredStep>.into_iter().collect();
    all.sort_by_cached_key(|step| (step.key(), step.place()));
    all
}

/// Whether `callable` in a template of `namespace` means a step that is declared, wherever its handler is.
pub(super) fn is_declared(namespace: &str, callable: &str) -> bool {
    inventory::iter::<DeclaredStep>.into_iter().any(|step| {
        let key = step.key();
        key == *callable || key == *format!("{namespace}.{callable}")
    })
}

/// Whether two types are the same to those who read the step: one that is declared gives JSON, whatever type its
/// handler has for it.
pub(super) fn agree(template: &Template, step: &Step, (one, other): (TypeFacts, TypeFacts)) -> bool {
    short(one.name()) == short(other.name()) && is_declared(template.namespace(), &step.handler.callable)
}

/// The name of a type without the modules it is in, `Vec<Charge>`: two crates that each write a type for one
/// document give it one name.
fn short(full: &str) -> String {
    let mut short = String::new();
    let mut word = String::new();
    for letter in full.chars() {
        // What the compiler has no name for it writes in braces, `{{closure}}`.
        if letter.is_alphanumeric() || matches!(letter, '_' | '{' | '}' | '#') {
            word.push(letter);
        } else if letter == ':' {
            word.clear();
        } else {
            short.push_str(&word);
            short.push(letter);
            word.clear();
        }
    }
    short + &word
}

/// What a step is said to return, or returns, and where.
struct Said {
    output: TypeFacts,
    place: String,
}

fn of_handler(handler: &Registration) -> Option<Said> {
    Some(Said { output: handler.spec().output?, place: handler.place() })
}

impl Check<'_> {
    /// Whoever declares a step says the same of it as its handler, where that is here, and as all others who declare
    /// it.
    pub(super) fn declarations(&mut self) {
        let registry: &Registry = self.registry;
        let mut first: Option<(HandlerKey, Said)> = None;
        for step in all() {
            let key = step.key();
            let own = Said { output: step.output, place: step.place() };
            let handler = registry.by_key(&key).and_then(of_handler);
            let other = match (&handler, &first) {
                (Some(handler), _) => Some(handler),
                (None, Some((known, said))) if *known == key => Some(said),
                _ => None,
            };
            if let Some(other) = other
                && other.output.id() != own.output.id()
                && short(other.output.name()) != short(own.output.name())
            {
                self.found.problems.push(Problem::DeclaredOtherwise {
                    step: key.to_string(),
                    place: own.place.clone(),
                    declared: short(own.output.name()),
                    other: other.place.clone(),
                    found: short(other.output.name()),
                });
            }
            if !matches!(&first, Some((known, _)) if *known == key) {
                first = Some((key, own));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn type_is_known_by_its_name_and_not_by_its_module() {
        for (full, named) in [
            ("u64", "u64"),
            ("shop::steps::Charge", "Charge"),
            ("alloc::vec::Vec<shop::Charge>", "Vec<Charge>"),
            ("(a::B, core::option::Option<c::D<e::F>>)", "(B, Option<D<F>>)"),
            ("[shop::Charge; 3]", "[Charge; 3]"),
            ("shop::tests::{{closure}}::Charge", "Charge"),
        ] {
            assert_eq!(short(full), named);
        }
    }
}
