//! The worker binary.

use std::process::ExitCode;

use handlers as _;

fn main() -> ExitCode {
    tasker_runtime::main()
}
