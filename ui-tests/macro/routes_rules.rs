use tasker_runtime::prelude::*;

#[step_handler]
async fn approve() {}

#[derive(Routes)]
struct Plain {
    limit: u64,
}

#[derive(Routes)]
enum Empty {}

#[derive(Routes)]
enum Generic<T> {
    #[route(approve)]
    One(T),
}

#[derive(Routes)]
#[route(approve)]
enum Variants {
    Silent,
    #[route]
    Bare,
    #[route()]
    Nothing,
    #[route("approve")]
    Quoted,
    #[route(approve, approve)]
    Twice,
    #[route(approve)]
    #[route(approve)]
    TwiceGiven,
    #[route(approve; approve)]
    Semicolon,
    #[route(skip, approve)]
    SkipAnd,
    #[route(skip = 7)]
    Reason,
    Field(#[route(approve)] u64),
}

#[derive(Routes)]
#[routes(crat = tasker_runtime)]
enum Options {
    #[route(approve)]
    One,
}

// What is wrong with the enum is said there and nowhere else.
#[step_handler]
#[decision]
async fn choose() -> Variants {
    Variants::Bare
}

#[step_handler]
#[decision]
async fn choose_plainly() -> Decision {
    Decision::skip("no")
}

fn main() {}
