use tasker_runtime::prelude::*;

#[step_handler]
async fn brew() -> u64 {
    7
}

#[timer]
struct Never;

#[timer(delay = "5m", until = "$.noon")]
struct Both;

#[timer(delay = 5)]
struct Five;

#[timer(delay = "0s")]
struct Now;

#[timer(until = "noon")]
struct Noon;

#[timer(until = 12)]
struct Twelve;

#[timer(after(), delay = "5m")]
struct After;

#[timer(delay = "5m")]
enum Choice {}

#[timer(delay = "5m", timeout = "1d")]
struct Timeout;

#[timer(delay = "5m")]
fn steep() {}

fn main() {}
