use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

#[step_handler]
async fn sow() -> u64 {
    7
}

#[signal]
async fn rain() {}

#[signal]
trait Weather {}

#[signal]
#[derive(Serialize, Deserialize)]
struct Cloud<T> {
    drops: T,
}

#[signal(after(sow), timeout = "3 days")]
#[derive(Serialize, Deserialize)]
struct Drizzle;

#[signal(timeout = "11000d")]
#[derive(Serialize, Deserialize)]
struct Flood;

#[signal(on_timeout = "skip")]
#[derive(Serialize, Deserialize)]
struct Mist;

#[signal(timeout = "1d", on_timeout = "drop")]
#[derive(Serialize, Deserialize)]
struct Hail;

#[signal(timeout = "1d", on_timeout = "skip", default = Sleet)]
#[derive(Serialize, Deserialize)]
struct Sleet;

#[signal(after = sow)]
#[derive(Serialize, Deserialize)]
struct Frost;

#[signal(name = "snow fall")]
#[derive(Serialize, Deserialize)]
struct Snow;

#[signal(timout = "1d")]
#[derive(Serialize, Deserialize)]
struct Thaw;

fn main() {}
