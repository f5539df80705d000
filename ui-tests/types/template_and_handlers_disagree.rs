use tasker_runtime::prelude::*;

mod steps {
    use super::*;

    #[step_handler]
    pub async fn validate(amount: u64) -> u64 {
        amount
    }

    #[step_handler]
    pub async fn charge(#[depends_on(validate)] amount: u64) -> u64 {
        amount
    }

    #[step_handler]
    pub async fn ship(#[depends_on("pay")] paid: u64, #[depends_on("stock")] stock: u64) -> u64 {
        paid + stock
    }

    #[step_handler(name = "post")]
    pub async fn send(#[depends_on(ship)] shipped: u64) -> u64 {
        shipped
    }
}

template!("checkout.yaml", handlers = crate::steps);
template!(listed = "checkout.yaml", handlers = [steps::validate, steps::charge, steps::ship, steps::send]);

fn main() {}
