//! Runs histories from a seed, and shows the first one that breaks a promise as small as it gets.
//!
//!     cargo run --release -p tasker-simulation -- --seed 1 --histories 100000 [--trace]

use std::process::ExitCode;

use tasker_simulation::{Scenario, run, shrink};

const USAGE: &str = "usage: tasker-simulation [--seed N] [--histories M] [--trace] [--all]

  --seed N        the seed of the first history (1); each further one has the next
  --histories M   how many (100000)
  --trace         print what happens: of a history that breaks a promise, or of all where that is one
  --all           go on after a history that breaks a promise, and show none of them small";

struct Options {
    seed: u64,
    histories: u64,
    trace: bool,
    all: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options { seed: 1, histories: 100_000, trace: false, all: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let number = |text: Option<String>| {
            text.and_then(|text| text.parse().ok()).ok_or_else(|| format!("`{argument}` needs a number"))
        };
        match &*argument {
            "--seed" => options.seed = number(arguments.next())?,
            "--histories" => options.histories = number(arguments.next())?,
            "--all" => options.all = true,
            "--trace" => options.trace = true,
            _ => return Err(format!("unknown option `{argument}`")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let begin = std::time::Instant::now();
    let (mut executions, mut broken_histories) = (0, 0);
    for seed in options.seed..options.seed.saturating_add(options.histories) {
        let scenario = Scenario::random(seed);
        let history = run(&scenario, options.trace && options.histories == 1);
        executions += history.executions;
        history.lines.iter().for_each(|line| println!("{line}"));
        if let Some(broken) = history.broken {
            println!("seed {seed}, history {}: {broken}", seed - options.seed + 1);
            if options.all {
                broken_histories += 1;
                continue;
            }
            let smallest = shrink(&scenario, broken.promise);
            let history = run(&smallest, options.trace);
            history.lines.iter().for_each(|line| println!("{line}"));
            println!("{smallest:#?}");
            history.broken.iter().for_each(|broken| println!("as small as it gets: {broken}"));
            return ExitCode::FAILURE;
        }
    }
    let (histories, seconds) = (options.histories, begin.elapsed().as_secs_f64());
    println!(
        "{histories} histories, {executions} attempts, {seconds:.1} s, {broken_histories} with a broken promise"
    );
    if broken_histories == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
