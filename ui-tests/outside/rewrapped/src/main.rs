//! The runtime comes from another library.
#![deny(warnings, missing_docs, unused)]

mod steps {
    use wrapper::tasks::prelude::*;

    #[step_handler(crate = wrapper::tasks)]
    pub async fn double(number: u64) -> u64 {
        2 * number
    }

    #[step_handler(crate = wrapper::tasks)]
    pub async fn print(#[depends_on(super::steps::double)] number: u64) -> String {
        number.to_string()
    }
}

wrapper::tasks::workflow!(doubling = [steps::double, steps::print], crate = wrapper::tasks);

fn main() {
    assert_eq!(doubling.template().unwrap().steps().len(), 2);
}
