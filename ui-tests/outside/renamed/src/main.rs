//! The dependency has another name here.
#![deny(warnings, missing_docs, unused)]

use flow::prelude::*;

#[derive(Debug, StepError)]
#[step_error(permanent, crate = flow)]
struct Down;

impl std::fmt::Display for Down {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("down")
    }
}

impl std::error::Error for Down {}

#[step_handler(crate = flow)]
async fn double(number: u64) -> Result<u64, Down> {
    number.checked_mul(2).ok_or(Down)
}

#[step_handler(crate = ::flow)]
async fn print(#[depends_on(double)] number: u64) -> String {
    number.to_string()
}

workflow!(doubling = [double, print], crate = flow);

template!("doubling.yaml", handlers = [double, print], crate = flow);

fn main() {
    assert_eq!(flow::handlers![double, print].len(), 2);
    assert_eq!(doubling.template().unwrap().steps().len(), 2);
}
