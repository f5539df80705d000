//! The dependency has another name here, which the manifest tells.
#![deny(warnings, missing_docs, unused)]

use flow::prelude::*;

#[derive(Debug, StepError)]
#[step_error(permanent)]
struct Down;

impl std::fmt::Display for Down {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("down")
    }
}

impl std::error::Error for Down {}

#[step_handler]
async fn double(number: u64) -> Result<u64, Down> {
    number.checked_mul(2).ok_or(Down)
}

#[step_handler(crate = ::flow)]
async fn print(#[depends_on(double)] number: u64) -> String {
    number.to_string()
}

#[derive(FromStep)]
struct Doubled {
    #[depends_on(double)]
    number: u64,
}

#[step_handler]
async fn check(doubled: Doubled) -> bool {
    doubled.number.is_multiple_of(2)
}

workflow!(doubling = [double, print, check]);

template!("doubling.yaml", handlers = [double, print]);

fn main() {
    assert_eq!(flow::handlers![double, print].len(), 2);
    assert_eq!(doubling.template().unwrap().steps().len(), 3);
}
