use tasker_runtime::prelude::*;

mod steps {
    pub struct validate;
    pub async fn chrage() {}
    pub struct Ship;
}

template!("checkout.yaml", handlers = crate::steps);
template!("checkout.yaml", handlers = crate::stepps);

fn main() {}
