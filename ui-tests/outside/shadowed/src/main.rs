//! Every name that expanded code might lean on means something else here.
#![no_implicit_prelude]
#![deny(warnings, missing_docs, unused)]
#![allow(non_camel_case_types, dead_code, unused_macros)]

struct Result;
struct Option;
struct String;
struct Box;
struct Vec;
struct Some;
struct None;
struct Ok;
struct Err;
struct str;
struct u8;
struct usize;
struct bool;
trait Send {}
trait Sync {}
trait Sized {}
trait Fn {}
trait Into {}
trait From {}
mod std {}
mod core {}
mod serde {}
mod tasker_runtime {}
macro_rules! file { () => { compile_error!("not this one") }; }
macro_rules! line { () => { compile_error!("not this one") }; }
macro_rules! panic { () => { compile_error!("not this one") }; }

#[::tasker_runtime::step_handler(
    retry(max_attempts = 3, backoff = "linear", base = "1s", max = "1m"),
    timeout = "1m",
    namespace = "shop",
    version = "1.0.0",
    description = "d",
    queue = "q",
    concurrency = 2
)]
async fn double(number: u64) -> ::core::result::Result<u64, ::tasker_runtime::StepError> {
    ::core::result::Result::Ok(number)
}

#[::tasker_runtime::step_handler]
async fn print(
    #[depends_on(double)] number: u64,
    #[depends_on("double")] again: ::core::option::Option<u64>,
    #[input("name")] name: ::std::string::String,
    attempt: ::tasker_runtime::handler::Attempt,
    step: &::tasker_runtime::handler::TaskSequenceStep,
) -> ::std::string::String {
    let _ = (number, again, attempt, step);
    name
}

#[derive(::core::fmt::Debug, ::tasker_runtime::StepError)]
enum Failure {
    #[step_error(retryable, after = "1s")]
    Down,
    #[step_error(permanent)]
    Gone { why: u64 },
}

impl ::core::fmt::Display for Failure {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str("failed")
    }
}

impl ::std::error::Error for Failure {}

#[::tasker_runtime::step_handler]
async fn fails() -> ::core::result::Result<(), Failure> {
    ::core::result::Result::Err(Failure::Gone { why: 7 })
}

#[derive(::tasker_runtime::FromStep)]
struct Printing {
    #[depends_on(double)]
    number: u64,
    #[depends_on("double")]
    again: ::core::option::Option<u64>,
    #[input("name", default = "none")]
    name: ::std::string::String,
    #[input("count", default)]
    count: u64,
    attempt: ::tasker_runtime::handler::Attempt,
}

#[::tasker_runtime::step_handler]
async fn count(printing: Printing) -> u64 {
    let Printing { number, again, name, count, attempt } = printing;
    let _ = (again, name, attempt);
    number + count
}

#[derive(::tasker_runtime::Routes)]
enum Way {
    #[route(double)]
    Double,
    #[route(count, print)]
    Both(u64, ::std::string::String),
    #[route(count)]
    Named { name: u64, other: u64 },
    #[route(skip = "no")]
    No,
}

#[::tasker_runtime::step_handler]
#[::tasker_runtime::decision]
async fn choose(number: u64) -> Way {
    match number {
        0 => Way::No,
        1 => Way::Double,
        2 => Way::Named { name: number, other: number },
        _ => Way::Both(number, ::std::string::String::new()),
    }
}

::tasker_runtime::declare_step!(
    elsewhere(#[depends_on(double)] number: u64) -> ::core::option::Option<u64>,
    name = "shop.elsewhere"
);

struct Owner;

#[::tasker_runtime::step_handlers]
impl Owner {
    #[step_handler]
    async fn owned(&self, #[depends_on(double)] number: u64, #[input("other", default)] other: u64) -> u64 {
        number + other
    }
}

struct ByHand;

impl ::tasker_runtime::handler::StepHandler for ByHand {
    fn name(&self) -> &::core::primitive::str {
        "by_hand"
    }

    fn call(
        &self,
        step: &::tasker_runtime::handler::TaskSequenceStep,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<::tasker_runtime::model::Json, ::tasker_runtime::StepError>,
    > + ::core::marker::Send {
        ::core::future::ready(step.output(&7))
    }
}

::tasker_runtime::register_handler!(ByHand);

::tasker_runtime::workflow!(
    doubling = [double, print],
    namespace = "shop",
    version = "1.0.0",
    description = "d",
    on_failure = "fail"
);

::tasker_runtime::template!("doubling.yaml", handlers = crate);

fn main() {
    let _ = ::tasker_runtime::handlers![double, print];
}
