use tasker_runtime::prelude::*;

struct Mill;

#[step_handlers(retry = 3)]
impl Mill {
    #[step_handler]
    async fn grind(&self) {}
}

struct Sieve;

#[step_handlers]
impl Sieve {
    async fn shake(&self) {}
}

struct Oven<T>(T);

#[step_handlers]
impl<T> Oven<T> {
    #[step_handler]
    async fn heat(&self) {}
}

trait Turn {
    fn turn(&self) -> impl Future<Output = ()>;
}

#[step_handlers]
impl Turn for Sieve {
    #[step_handler]
    async fn turn(&self) {}
}

#[step_handlers]
fn free() {}

struct Shelf;

#[step_handlers]
impl Shelf {
    #[step_handler]
    async fn stack(&mut self, loaves: u64) -> u64 {
        loaves
    }

    #[step_handler]
    async fn take(self) {}

    #[step_handler]
    fn dust(&self) {}

    #[step_handler(retries = 3)]
    async fn count(&self, #[depends_on(stack)] loaves: u64) -> u64 {
        loaves
    }
}

workflow!(shelving = [stack, take, dust, count]);

fn main() {}
