use tasker_runtime::prelude::*;

#[step_handler]
async fn bake() {}

async fn plain() {}

#[derive(Routes)]
enum Unknown {
    #[route(broil)]
    Hot,
}

#[derive(Routes)]
enum NoHandler {
    #[route(plain)]
    Hot,
}

struct Ember;

#[derive(Routes)]
enum Unwritable {
    #[route(bake)]
    Hot(Ember),
}

#[derive(Routes)]
enum Heat {
    #[route(bake)]
    Hot(u64),
    #[route(skip)]
    Cold,
}

#[step_handler]
async fn forgotten() -> Heat {
    Heat::Cold
}

#[step_handler]
#[decision]
async fn no_routes() -> u64 {
    7
}

#[step_handler]
#[decision(routes = [bake])]
async fn listed_as_well() -> Heat {
    Heat::Hot(7)
}

#[step_handler]
#[decision]
async fn choose() -> Heat {
    Heat::Cold
}

#[step_handler]
async fn measure(#[depends_on(choose)] degrees: String) -> String {
    degrees
}

fn main() {
    let _ = plain;
}
