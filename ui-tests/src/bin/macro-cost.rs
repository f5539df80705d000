//! What annotated functions cost whoever compiles them, beside the same functions without annotations.
//!
//! `docs/benchmark.md` says how to run it and how to read it.

use std::error::Error;
use std::process::ExitCode;

use tasker_ui_tests::cost::{self, Asked, Cost};

const USAGE: &str = "macro-cost [--handlers N] [--repeats N] [--release] [-o json]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}\ntry: {USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut asked = Asked { handlers: 500, repeats: 5, release: false };
    let mut json = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} takes a value"));
        match argument.as_str() {
            "--handlers" => asked.handlers = value()?.parse()?,
            "--repeats" => asked.repeats = value()?.parse()?,
            "--release" => asked.release = true,
            "-o" => json = value()? == "json",
            other => return Err(format!("there is no option {other}").into()),
        }
    }
    let costs = cost::measure(asked)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&costs)?);
    } else {
        print(&costs, asked);
    }
    Ok(())
}

fn print(costs: &[Cost], asked: Asked) {
    let profile = if asked.release { "release" } else { "dev without debug information" };
    println!("{} handlers, median of {}, {profile}\n", asked.handlers, asked.repeats);
    println!("| what | check s | build s | binary KB | check ms | build ms | binary KB |");
    println!("|---|---|---|---|---|---|---|");
    for cost in costs {
        let Cost { what, check_seconds, build_seconds, binary_bytes, added } = cost;
        let added = added.as_ref().map_or("| – | – | –".to_owned(), |added| {
            let cost::Added { check_millis, build_millis, binary_bytes } = added;
            format!("| {check_millis:.2} | {build_millis:.2} | {:.2}", binary_bytes / 1024.0)
        });
        let binary = *binary_bytes / 1024;
        println!("| {what} | {check_seconds:.2} | {build_seconds:.2} | {binary} {added} |");
    }
    println!(
        "\nSeconds are of processor time. The last three columns are for each handler, beyond the plain \
         functions. Binaries are stripped."
    );
}
