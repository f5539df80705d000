use tasker_runtime::prelude::*;

mod first {
    use super::*;

    #[step_handler(name = "charge")]
    pub async fn one(amount: u64) -> u64 {
        amount
    }
}

mod second {
    use super::*;

    #[step_handler(name = "charge")]
    pub async fn two(amount: u64) -> u64 {
        amount
    }
}

fn main() {
    let _ = (first::one, second::two);
}
