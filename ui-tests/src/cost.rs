//! Measures what annotated functions cost whoever compiles them.
//!
//! Each variant is a package with the same functions, generated, in a workspace of its own that shares the
//! target directory and so its dependencies. Nothing is compiled incrementally, so every run compiles the
//! whole package, and nothing but that.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

use serde::Serialize;

use crate::{target, workspace, write_if_new};

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// How many functions.
    pub handlers: usize,
    /// How often each variant is compiled; the median counts.
    pub repeats: usize,
    /// With optimizations.
    pub release: bool,
}

/// What one variant costs.
#[derive(Debug, Serialize)]
pub struct Cost {
    /// The variant.
    pub what: &'static str,
    /// The median processor time of `cargo check`.
    pub check_seconds: f64,
    /// The median processor time of `cargo build`.
    pub build_seconds: f64,
    /// The size of the stripped binary.
    pub binary_bytes: u64,
    /// What each handler adds to the plain functions; `None` for these.
    pub added: Option<Added>,
}

/// What each handler adds.
#[derive(Debug, Serialize)]
pub struct Added {
    /// To `cargo check`.
    pub check_millis: f64,
    /// To `cargo build`.
    pub build_millis: f64,
    /// To the stripped binary.
    pub binary_bytes: f64,
}

/// The packages that are compared; the first is what the others are held against.
const VARIANTS: [(&str, &str); 4] = [
    ("cost-plain", "plain functions in a table"),
    ("cost-handlers", "`#[step_handler]`"),
    ("cost-workflow", "… and `workflow!` of all"),
    ("cost-template", "… and `template!` of all"),
];

/// Measures all variants, one after the other in every repeat, so that a busy moment meets them all.
///
/// # Errors
/// Where a file could not be written, or cargo failed.
pub fn measure(asked: Asked) -> io::Result<Vec<Cost>> {
    let packages = write_packages(asked.handlers)?;
    // Builds the dependencies, which are the same for all, in both forms.
    for command in ["check", "build"] {
        cargo(&packages, command, VARIANTS[0].0, asked.release)?;
    }
    let mut times: Vec<[Vec<f64>; 2]> = vec![Default::default(); VARIANTS.len()];
    for _ in 0..asked.repeats.max(1) {
        for ((package, _), times) in VARIANTS.iter().zip(&mut times) {
            for (command, times) in ["check", "build"].into_iter().zip(times) {
                touch(&packages.join(package).join("src/main.rs"))?;
                times.push(cargo(&packages, command, package, asked.release)?);
            }
        }
    }
    let mut costs = Vec::new();
    for ((package, what), [check, build]) in VARIANTS.into_iter().zip(times) {
        costs.push(Cost {
            what,
            check_seconds: median(check),
            build_seconds: median(build),
            binary_bytes: stripped(package, asked.release)?,
            added: None,
        });
    }
    compare(&mut costs, asked.handlers as f64);
    Ok(costs)
}

fn compare(costs: &mut [Cost], handlers: f64) {
    let [plain, others @ ..] = costs else { return };
    for cost in others {
        cost.added = Some(Added {
            check_millis: (cost.check_seconds - plain.check_seconds) * 1000.0 / handlers,
            build_millis: (cost.build_seconds - plain.build_seconds) * 1000.0 / handlers,
            binary_bytes: (cost.binary_bytes as f64 - plain.binary_bytes as f64) / handlers,
        });
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Runs cargo; how many seconds of processor time it took with all that it started. On a machine that is
/// busy with other things that says more than the time on the clock.
fn cargo(packages: &Path, command: &str, package: &str, release: bool) -> io::Result<f64> {
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$@\" || exit 1; times", "sh"]);
    shell.arg(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    shell.args([command, "--quiet", "--offline", "--package", package, "--target-dir"]).arg(target());
    shell.args(release.then_some("--release")).current_dir(packages).env("CARGO_INCREMENTAL", "0");
    let output = shell.stderr(Stdio::inherit()).output()?;
    let seconds = String::from_utf8_lossy(&output.stdout).lines().last().and_then(seconds);
    match (output.status.success(), seconds) {
        (true, Some(seconds)) => Ok(seconds),
        _ => Err(io::Error::other(format!("cargo {command} of {package} failed"))),
    }
}

/// The sum of a line of `times`: `0m1.250s 0m0.130s`.
fn seconds(line: &str) -> Option<f64> {
    let one = |word: &str| {
        let (minutes, seconds) = word.strip_suffix('s')?.split_once('m')?;
        Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
    };
    line.split_whitespace().map(one).sum()
}

/// The size of a binary without its symbols.
fn stripped(package: &str, release: bool) -> io::Result<u64> {
    let binary = target().join(if release { "release" } else { "debug" }).join(package);
    let copy = binary.with_extension("stripped");
    let status = Command::new("strip").arg("-o").arg(&copy).arg(&binary).status()?;
    if !status.success() {
        return Err(io::Error::other(format!("{} could not be stripped", binary.display())));
    }
    Ok(fs::metadata(&copy)?.len())
}

/// Makes a file look new.
fn touch(path: &Path) -> io::Result<()> {
    fs::write(path, fs::read(path)?)
}

fn write_packages(handlers: usize) -> io::Result<PathBuf> {
    let packages = target().join("ui-tests").join("cost");
    let mut members = String::new();
    let mut profiles = String::new();
    for (package, _) in VARIANTS {
        let sources = packages.join(package).join("src");
        fs::create_dir_all(&sources)?;
        let runtime = workspace().join("tasker-runtime");
        let manifest = format!(
            "[package]\nname = {package:?}\nedition = \"2024\"\n\n[dependencies]\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\ntasker-runtime = {{ path = {runtime:?} }}\n"
        );
        write_if_new(&packages.join(package).join("Cargo.toml"), &manifest)?;
        write_if_new(&sources.join("main.rs"), &program(package, handlers))?;
        let _ = write!(members, "{package:?}, ");
        let _ = write!(profiles, "[profile.dev.package.{package}]\ndebug = 0\n\n");
    }
    write_if_new(&packages.join("cost-template").join("all.yaml"), &template(handlers))?;
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{members}]\n\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n\n{profiles}"
    );
    write_if_new(&packages.join("Cargo.toml"), &manifest)?;
    fs::copy(workspace().join("Cargo.lock"), packages.join("Cargo.lock"))?;
    Ok(packages)
}

/// The functions, and what the variant makes of them.
fn program(package: &str, handlers: usize) -> String {
    let plain = package == "cost-plain";
    let mut text = String::from(
        "use tasker_runtime::prelude::*;\n\n#[derive(Clone, serde::Serialize, serde::Deserialize)]\n\
         struct Item {\n    id: u64,\n    note: String,\n}\n\n",
    );
    for number in 0..handlers {
        function(&mut text, number, plain);
    }
    let names = |each: fn(usize) -> String| (0..handlers).map(each).collect::<Vec<_>>().join(", ");
    match package {
        "cost-plain" => table(&mut text, handlers),
        "cost-workflow" => {
            let _ = writeln!(text, "workflow!(all = [{}]);\n", names(|number| format!("step_{number}")));
        }
        "cost-template" => text.push_str("template!(\"all.yaml\", handlers = crate);\n\n"),
        _ => {}
    }
    text.push_str("fn main() -> std::process::ExitCode {\n    tasker_runtime::main()\n}\n");
    text
}

/// The parameters of function `number` as attribute, name and type.
fn params(number: usize) -> Vec<(String, &'static str, &'static str)> {
    let upstream = |back: usize| format!("#[depends_on(step_{})] ", number - back);
    match number {
        0 => vec![(String::new(), "item", "Item")],
        1 => vec![(upstream(1), "item", "Item")],
        _ => match number % 4 {
            0 => vec![(upstream(1), "item", "Item")],
            1 => vec![(upstream(1), "item", "Item"), (String::new(), "attempt", "Attempt")],
            2 => vec![(upstream(1), "item", "Item"), (upstream(2), "other", "Item")],
            _ => vec![(upstream(1), "item", "Item"), (String::new(), "key", "IdempotencyKey")],
        },
    }
}

fn function(text: &mut String, number: usize, plain: bool) {
    let attribute = match number % 4 {
        _ if plain => "",
        1 => {
            "#[step_handler(retry(max_attempts = 5, backoff = \"exponential\", base = \"200ms\"), timeout = \"30s\")]\n"
        }
        _ => "#[step_handler]\n",
    };
    let params: Vec<String> = params(number)
        .into_iter()
        .map(|(attribute, name, ty)| format!("{}{name}: {ty}", if plain { "" } else { &*attribute }))
        .collect();
    let note = match number {
        0 | 1 => "item.note",
        _ => match number % 4 {
            0 => "item.note",
            1 => "format!(\"{} {}\", item.note, attempt.number)",
            2 => "item.note + &other.note",
            _ => "item.note + key.as_str()",
        },
    };
    let _ = writeln!(
        text,
        "{attribute}async fn step_{number}({}) -> Result<Item, StepError> {{\n    \
         if item.id == {number} {{\n        return Err(StepError::permanent(\"NOT_ME\", \"{number}\"));\n    }}\n    \
         Ok(Item {{ id: item.id + 1, note: {note} }})\n}}\n",
        params.join(", ")
    );
}

/// What anybody needs who calls functions by their names.
fn table(text: &mut String, handlers: usize) {
    text.push_str(
        "type Called = std::pin::Pin<Box<dyn Future<Output = Result<Item, StepError>> + Send>>;\n\n\
         #[used]\nstatic TABLE: &[(&str, fn(Item) -> Called)] = &[\n",
    );
    for number in 0..handlers {
        let arguments: Vec<&str> = params(number)
            .into_iter()
            .map(|(_, name, _)| match name {
                "item" => "item.clone()",
                "other" => "item",
                "attempt" => "Attempt { number: 1, max: 1 }",
                _ => "IdempotencyKey::new(\"key\")",
            })
            .collect();
        let arguments = arguments.join(", ");
        let _ = writeln!(text, "    (\"step_{number}\", |item| Box::pin(step_{number}({arguments}))),");
    }
    text.push_str("];\n\n");
}

/// The template of all functions.
fn template(handlers: usize) -> String {
    let mut text = String::from("name: all\nversion: 1.0.0\nsteps:\n");
    for number in 0..handlers {
        let _ = writeln!(text, "  - name: step_{number}");
        // Everything that the function reads.
        let upstreams = match number {
            0 => continue,
            _ if number > 1 && number % 4 == 2 => format!("step_{}, step_{}", number - 1, number - 2),
            _ => format!("step_{}", number - 1),
        };
        let _ = writeln!(text, "    depends_on: [{upstreams}]");
    }
    text
}
