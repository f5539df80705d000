use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

#[derive(Serialize, Deserialize)]
struct Shirt;

#[derive(Serialize, Deserialize)]
struct Sock;

declare_step!(iron(shirt: Shirt) -> Shirt, name = "laundry.iron");

declare_step!(fold(#[depends_on(iron)] sock: Sock) -> Sock);

#[step_handler]
async fn wear(#[depends_on(iron)] sock: Sock) -> Sock {
    sock
}

fn main() {
    let _ = tasker_runtime::handlers![wear, fold];
}
