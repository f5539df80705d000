//! The program that runs the workflows: `cargo run -- --help`.

mod handlers;
#[cfg(test)]
mod tests;

fn main() -> std::process::ExitCode {
    tasker_runtime::main()
}
