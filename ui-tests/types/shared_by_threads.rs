use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tasker_runtime::prelude::*;

trait Whistle {
    fn pitch(&self) -> u64;
}

struct Kettle(RefCell<u64>);

#[step_handler]
async fn simmer(whistle: State<Arc<dyn Whistle>>) -> u64 {
    whistle.pitch()
}

#[step_handler]
async fn brew(step: &TaskSequenceStep, kettle: State<Kettle>, leaves: State<Rc<u64>>) -> u64 {
    *kettle.0.0.borrow() + **leaves + u64::from(step.attempt())
}

#[step_handlers]
impl Kettle {
    #[step_handler]
    async fn pour(&self) -> u64 {
        *self.0.borrow()
    }
}

fn main() {}
