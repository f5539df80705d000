use serde::Deserialize;
use std::borrow::Cow;
use tasker_runtime::prelude::*;

#[derive(Deserialize)]
struct Limits<'a> {
    #[allow(dead_code)]
    name: &'a str,
}

#[step_handler]
async fn paint(_limits: Config<Limits<'static>>) {}

#[step_handler]
async fn varnish(#[input("limits")] _limits: Option<Limits<'static>>) {}

#[step_handler]
async fn frame(_limits: Vec<Limits<'static>>) {}

#[step_handler]
async fn hang(_colour: Cow<'static, str>, _name: Config<Cow<'static, str>>, _shared: State<Limits<'static>>) {}

struct Ledger;

#[step_handler]
async fn book(_ledger: State<&Ledger>) {}

fn main() {}
