use std::borrow::Cow;

use tasker_runtime::prelude::*;

#[step_handler]
async fn engrave(name: Cow<'_, str>) -> usize {
    name.len()
}

#[step_handler]
async fn polish(parts: Vec<&str>, #[input("kind")] kind: Option<&'static str>) -> usize {
    parts.len() + kind.map_or(0, str::len)
}

fn main() {}
