//! The shapes of workflows by version, kept in a file beside the source: a shape that changes under a version that
//! stays is found before tasks that are under way meet it.

use std::{collections::BTreeMap, fmt::Write as _, fs, io::ErrorKind, path::Path};

use crate::{
    handler::{Need, Registration},
    registry::{Catalog, Registry, catalog::full_name},
    template::{Step, StepKind, Template},
};

/// What a variable of the environment says to have changed shapes accepted.
const ACCEPT: (&str, &str) = ("WORKFLOW_LOCK", "accept");

const HEAD: &str = "\
# The shape of each workflow at its version, as tasks that are under way know it.
# Written by `testing::check!(lock = ..)`: keep it with the source, and change it by running the tests.
";

/// The lines of a shape, by workflow and version: `shop/checkout 1.0.0`.
type Shapes = BTreeMap<String, Vec<String>>;

/// How the file may be dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// Nothing is written: what a machine writes nobody keeps.
    pub read_only: bool,
    /// What has changed is written.
    pub accept: bool,
}

impl Rules {
    /// By the environment of the process.
    pub(super) fn of_environment() -> Self {
        let said = |name: &str| std::env::var(name).unwrap_or_default();
        Self { read_only: !matches!(&*said("CI"), "" | "0" | "false"), accept: said(ACCEPT.0) == ACCEPT.1 }
    }
}

/// Holds the workflows of a program against its lock file, and writes there what it does not have.
///
/// # Errors
/// When a shape is another one than the file has of this version, or the file lacks one and may not be written.
pub(super) fn check(file: &Path, catalog: &Catalog, registry: &Registry, rules: Rules) -> Result<(), String> {
    let shapes: Shapes = catalog.iter().map(|template| shape(template, registry)).collect();
    let known = match fs::read_to_string(file) {
        Ok(text) => read(&text).map_err(|line| {
            format!("{}:{line}: this line belongs to no workflow: delete the file, and the next run writes it anew", file.display())
        })?,
        Err(error) if error.kind() == ErrorKind::NotFound => Shapes::new(),
        Err(error) => return Err(format!("{} cannot be read: {error}", file.display())),
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let changed: Vec<String> = shapes
        .iter()
        .filter_map(|(version, now)| difference(version, known.get(version)?, now, &name))
        .collect();
    if !changed.is_empty() && (!rules.accept || rules.read_only) {
        let (variable, value) = ACCEPT;
        return Err(format!(
            "{}\ngive it a new version, or accept the change with {variable}={value} cargo test, and keep {name} with the source",
            changed.join("\n")
        ));
    }
    let missing: Vec<&str> =
        shapes.keys().filter(|version| !known.contains_key(*version)).map(String::as_str).collect();
    if missing.is_empty() && changed.is_empty() {
        return Ok(());
    }
    if rules.read_only {
        return Err(format!(
            "{name} has nothing of {}: run the tests once where CI is not set, and keep the file with the source",
            missing.join(", ")
        ));
    }
    fs::write(file, write(&shapes)).map_err(|error| format!("{} cannot be written: {error}", file.display()))
}

fn write(shapes: &Shapes) -> String {
    let mut text = HEAD.to_owned();
    for (version, lines) in shapes {
        // Writing to a string does not fail.
        let _ = write!(text, "\n{version}\n");
        lines.iter().for_each(|line| {
            let _ = writeln!(text, "  {line}");
        });
    }
    text
}

/// What a file says, or the number of the first line that is out of place.
fn read(text: &str) -> Result<Shapes, usize> {
    let mut shapes = Shapes::new();
    let mut current: Option<String> = None;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match (line.strip_prefix("  "), &current) {
            (Some(line), Some(version)) => shapes.entry(version.clone()).or_default().push(line.to_owned()),
            (Some(_), None) => return Err(number),
            (None, _) => {
                shapes.insert(line.to_owned(), Vec::new());
                current = Some(line.to_owned());
            }
        }
    }
    Ok(shapes)
}

/// What has changed, in lines.
fn difference(version: &str, known: &[String], now: &[String], file: &str) -> Option<String> {
    if known == now {
        return None;
    }
    let mut text = format!("workflow {version} is not what {file} has of this version:");
    let gone = known.iter().filter(|line| !now.contains(line)).map(|line| format!("\n  - {line}"));
    let come = now.iter().filter(|line| !known.contains(line)).map(|line| format!("\n  + {line}"));
    let lines: Vec<String> = gone.chain(come).collect();
    match lines.is_empty() {
        true => text.push_str("\n  the steps stand in another order"),
        false => text.extend(lines),
    }
    Some(text)
}

/// A workflow with its version, and a line for each of its steps.
fn shape(template: &Template, registry: &Registry) -> (String, Vec<String>) {
    let version = format!("{} {}", full_name(template), template.version());
    let mut lines: Vec<String> = template.steps().iter().map(|step| line(template, step, registry)).collect();
    if let Some(schema) = template.input_schema() {
        lines.insert(0, format!("input {schema}"));
    }
    (version, lines)
}

/// A step: its name, its kind, what it waits for, its handler with what that reads and returns, as far as it is known.
fn line(template: &Template, step: &Step, registry: &Registry) -> String {
    let mut line = step.name.to_string();
    if step.kind != StepKind::Standard {
        let _ = write!(line, " [{}]", step.kind);
    }
    if !step.depends_on.is_empty() {
        let _ = write!(line, " after {}", step.depends_on.join(", "));
    }
    if let Some(wait) = wait(step) {
        let _ = write!(line, ": {wait}");
        return line;
    }
    if let Some(delay) = step.delay {
        let _ = write!(line, " {} ms later", delay.as_millis());
    }
    let _ = write!(line, ": {}", step.handler.callable);
    if let Ok(handler) = registry.find(template.namespace(), &step.handler.callable) {
        line.push_str(&types(handler));
    }
    if let Some(schema) = &step.result_schema {
        let _ = write!(line, " as {schema}");
    }
    line
}

/// What a step waits for that calls nothing, as its template says it.
fn wait(step: &Step) -> Option<String> {
    let timer = step.timer.as_ref().map(serde_json::to_string);
    let signal = step.signal.as_ref().map(serde_json::to_string);
    timer.or(signal)?.ok()
}

fn types(handler: &Registration) -> String {
    let spec = handler.spec();
    let mut read = Vec::new();
    spec.needs.iter().for_each(|need| reads(need, &mut read));
    let returns = spec.output.map(|ty| format!(" -> {}", short(ty.name()))).unwrap_or_default();
    format!("({}){returns}", read.join(", "))
}

/// Adds what a parameter reads of its task; a struct of parameters, what each of its fields does.
fn reads(need: &Need, read: &mut Vec<String>) {
    match need {
        Need::Context => read.push("context".to_owned()),
        Need::Input(path) => read.push(format!("input {path}")),
        Need::After(name) => read.push(format!("after {name}")),
        Need::Step { name, exact, optional, .. } => {
            let ty = exact.map(|ty| format!(": {}", short(ty.name()))).unwrap_or_default();
            read.push(format!("{name}{}{ty}", if *optional { "?" } else { "" }));
        }
        Need::All(needs) => needs.iter().for_each(|need| reads(need, read)),
        _ => {}
    }
}

/// The name of a type without the modules it is in, which say nothing about its shape.
fn short(name: &str) -> String {
    let mut short = String::new();
    let mut rest = name;
    while let Some(at) = rest.find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | ':')))
    {
        let (path, behind) = rest.split_at(at);
        short.push_str(last(path));
        let mut letters = behind.chars();
        short.extend(letters.next());
        rest = letters.as_str();
    }
    short.push_str(last(rest));
    short
}

fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{handlers, prelude::*};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Order;

    #[step_handler(name = "lock_validate")]
    async fn validate(order: Order) -> Result<Order, StepError> {
        Ok(order)
    }

    #[step_handler(name = "lock_charge")]
    async fn charge(#[depends_on(validate)] _order: Order, #[input("tip")] tip: Option<u64>) -> Vec<u64> {
        tip.into_iter().collect()
    }

    fn catalog(version: &str, steps: impl IntoIterator<Item = Step>) -> Catalog {
        let builder = Template::builder("checkout").namespace("shop").version(version.parse().unwrap());
        let mut catalog = Catalog::default();
        catalog.add(steps.into_iter().fold(builder, |builder, step| builder.step(step)).build().unwrap());
        catalog
    }

    fn first() -> Catalog {
        let charge = Step::new("charge").handler("lock_charge").after(["lock_validate"]);
        catalog("1.0.0", [Step::new("lock_validate"), charge])
    }

    /// The shop with another step between.
    fn second(version: &str) -> Catalog {
        let charge = Step::new("charge").handler("lock_charge").after(["lock_validate", "weigh"]);
        let weigh = Step::new("weigh").handler("elsewhere").after(["lock_validate"]);
        catalog(version, [Step::new("lock_validate"), weigh, charge])
    }

    fn registry() -> Registry {
        Registry::of(handlers![validate, charge])
    }

    const WRITES: Rules = Rules { read_only: false, accept: false };
    const READS: Rules = Rules { read_only: true, ..WRITES };

    #[test]
    fn shape_that_changes_under_its_version_fails_with_the_difference_until_it_is_accepted() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("workflows.lock");
        let check = |catalog: &Catalog, rules| check(&file, catalog, &registry(), rules);
        assert_eq!(
            check(&first(), READS).unwrap_err(),
            "workflows.lock has nothing of shop/checkout 1.0.0: run the tests once where CI is not set, and keep the \
             file with the source"
        );
        assert!(!file.exists(), "a machine writes nothing");
        check(&first(), WRITES).unwrap();
        let written = fs::read_to_string(&file).unwrap();
        let expected = "\nshop/checkout 1.0.0\n  \
                        lock_validate: lock_validate(context) -> Order\n  \
                        charge after lock_validate: lock_charge(lock_validate: Order, input tip) -> Vec<u64>\n";
        assert_eq!(written.strip_prefix(HEAD).unwrap(), expected);
        check(&first(), READS).unwrap();

        let said = check(&second("1.0.0"), WRITES).unwrap_err();
        assert_eq!(
            said,
            "workflow shop/checkout 1.0.0 is not what workflows.lock has of this version:\n  \
             - charge after lock_validate: lock_charge(lock_validate: Order, input tip) -> Vec<u64>\n  \
             + weigh after lock_validate: elsewhere\n  \
             + charge after lock_validate, weigh: lock_charge(lock_validate: Order, input tip) -> Vec<u64>\n\
             give it a new version, or accept the change with WORKFLOW_LOCK=accept cargo test, and keep \
             workflows.lock with the source"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), written, "what is refused changes nothing");
        assert!(
            check(&second("1.0.0"), Rules { accept: true, ..READS }).is_err(),
            "nor does a machine accept"
        );
        check(&second("1.1.0"), WRITES).unwrap();
        check(&second("1.1.0"), READS).unwrap();
        check(&first(), Rules { accept: true, ..WRITES }).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), written);
    }

    #[test]
    fn steps_in_another_order_are_another_shape() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("workflows.lock");
        let two = |names: [&str; 2]| catalog("1.0.0", names.map(Step::new));
        check(&file, &two(["a", "b"]), &registry(), WRITES).unwrap();
        let said = check(&file, &two(["b", "a"]), &registry(), WRITES).unwrap_err();
        assert!(said.contains("\n  the steps stand in another order\n"), "{said}");
    }

    #[test]
    fn file_that_is_none_is_refused_with_the_line() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("workflows.lock");
        fs::write(&file, "# mine\n\n  a: a\n").unwrap();
        let said = check(&file, &first(), &registry(), WRITES).unwrap_err();
        assert!(said.contains("workflows.lock:3: this line belongs to no workflow"), "{said}");
    }

    #[test]
    fn types_go_without_their_modules() {
        for (name, expected) in [
            ("u64", "u64"),
            ("shop::orders::Order", "Order"),
            ("alloc::vec::Vec<core::option::Option<shop::Order>>", "Vec<Option<Order>>"),
            ("(alloc::string::String, &[shop::Item])", "(String, &[Item])"),
            ("()", "()"),
        ] {
            assert_eq!(short(name), expected);
        }
    }
}
