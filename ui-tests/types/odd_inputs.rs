use tasker_runtime::prelude::*;

#[step_handler]
async fn pointer(name: *const u8) -> bool {
    name.is_null()
}

#[step_handler]
async fn function(call: fn(u8) -> u8) -> u8 {
    call(7)
}

#[step_handler]
async fn boxed(name: Box<dyn std::fmt::Display>) -> String {
    name.to_string()
}

fn main() {}
