//! The crash tests on an engine that records without checking its leases: they must fail.

#[path = "chaos/main.rs"]
mod chaos;

fn main() -> std::process::ExitCode {
    chaos::main()
}
