//! The workspace gives the dependency another name.
#![deny(warnings, missing_docs, unused)]

use stream::prelude::*;

#[step_handler]
async fn double(number: u64) -> u64 {
    2 * number
}

workflow!(doubling = [double]);

fn main() {
    assert_eq!(doubling.template().unwrap().steps().len(), 1);
}
