//! Tells the program which compiler built it, for `tasker bench`.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC");
    let Some(compiler) = env::var_os("RUSTC") else { return };
    // A compiler that does not say its version is simply not named.
    let Ok(said) = Command::new(compiler).arg("--version").output() else { return };
    let said = String::from_utf8_lossy(&said.stdout);
    if let Some(version) = said.split_whitespace().nth(1) {
        println!("cargo::rustc-env=TASKER_RUSTC_VERSION={version}");
    }
}
