//! The program that runs the workflow: `cargo run -- --help`.

mod checkout;
#[cfg(test)]
mod tests;

fn main() -> std::process::ExitCode {
    tasker_runtime::main()
}
