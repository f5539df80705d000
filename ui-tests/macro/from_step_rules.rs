use tasker_runtime::prelude::*;

#[step_handler]
async fn knead() -> u64 {
    7
}

#[derive(FromStep)]
enum Choice {
    Dough,
}

#[derive(FromStep)]
struct Generic<T> {
    #[depends_on(knead)]
    dough: T,
}

#[derive(FromStep)]
struct Borrowed<'a> {
    #[input("name")]
    name: &'a str,
}

#[derive(FromStep)]
#[from_step(krate = tasker_runtime)]
struct Fields {
    #[depends_on]
    nothing: u64,
    #[depends_on(knead)]
    #[input("dough")]
    twice: u64,
    #[depends_on(knead)]
    attempt: Attempt,
    #[input("/dough/grams")]
    pointer: u64,
    #[input("grams", defualt = 7)]
    misspelt: u64,
    #[input("grams" = 7)]
    form: u64,
    #[input("grams", default = 7)]
    optional: Option<u64>,
    #[input("grams", default =)]
    open: u64,
}

#[step_handler]
async fn eat(fields: Fields, choice: Choice, #[input("salt", 3)] salt: u64) -> u64 {
    let _ = (fields, choice);
    salt
}

workflow!(meal = [knead, eat]);

fn main() {}
