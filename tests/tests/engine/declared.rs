//! Steps that are declared in one process and implemented in another.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use support::world::{eventually, settled, worlds};
use tasker_runtime::{
    api::StartError,
    handler::{HandlerSpec, Registration},
    model::TaskState,
    prelude::*,
    registry::Registry,
};

#[derive(Serialize, Deserialize)]
struct Letter {
    pages: u64,
}

/// As the other team writes it.
mod elsewhere {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub(super) struct Letter {
        pub(super) pages: u64,
    }
}

#[derive(Serialize, Deserialize)]
struct Stamp {
    cents: u64,
}

#[step_handler]
async fn write_letter(pages: u64) -> Letter {
    Letter { pages }
}

declare_step!(frank(#[depends_on(write_letter)] letter: Letter) -> Stamp, name = "post.frank");

#[step_handler]
async fn hand_in(#[depends_on(frank)] stamp: Stamp) -> u64 {
    stamp.cents
}

workflow!(posting = [write_letter, frank, hand_in]);

/// The handler of the other process.
struct Frank(HandlerSpec);

#[async_trait]
impl StepHandler for Frank {
    fn name(&self) -> &str {
        "frank"
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        let letter: elsewhere::Letter = step.result("write_letter")?;
        step.output(&json!({"cents": letter.pages * 85}))
    }

    fn spec(&self) -> HandlerSpec {
        self.0.clone()
    }
}

fn frank_of(spec: HandlerSpec) -> Registration {
    Registration::of(Arc::new(Frank(spec.namespace("post"))))
}

fn own() -> [Registration; 2] {
    handlers![write_letter, hand_in]
}

#[tokio::test]
async fn task_waits_for_a_worker_that_has_the_handler() {
    for world in worlds().await {
        let template = posting.template().unwrap();
        // Without a word about handlers elsewhere: the declaration is that word.
        let builder = world.builder(&[]).registry(Registry::of(own()));
        let holder = builder.template(template.clone()).start().await.unwrap();
        let task = posting.submit(&holder, &3).await.unwrap();
        let sql = "select count(*) from tasker.offers where taker is null";
        eventually("the offer", || async { (world.count(sql).await == 1).then_some(()) }).await;

        let builder = world.builder(&[]).registry(Registry::of([frank_of(HandlerSpec::new())]));
        let taker = builder.partial(true).template(template).start().await.unwrap();
        let report = settled(&holder, task).await;
        assert_eq!(report.state, TaskState::Complete, "{}", world.database);
        assert_eq!(posting.wait(&holder, task).await.unwrap(), 255, "{}", world.database);
        taker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn start_refuses_a_handler_of_another_shape() {
    for world in worlds().await {
        let start = async |spec: HandlerSpec| {
            let registry = Registry::of(own().into_iter().chain([frank_of(spec)]));
            let builder = world.builder(&[]).registry(registry);
            builder.template(posting.template().unwrap()).start().await.map(drop)
        };
        let refused = start(HandlerSpec::new().returns::<Vec<elsewhere::Letter>>()).await.unwrap_err();
        let StartError::Wiring { problems } = refused else { panic!("{refused}") };
        let said = problems.join("\n");
        assert!(said.starts_with("step `post.frank` is declared at "), "{said}");
        assert!(said.contains("to return `Stamp`, but at "), "{said}");
        assert!(said.contains("it returns `Vec<Letter>`"), "{said}");
        // One whose type has the same name somewhere else, and one of which nothing is known.
        mod copied {
            pub(super) struct Stamp;
        }
        start(HandlerSpec::new()).await.unwrap();
        start(HandlerSpec::new().returns::<Stamp>()).await.unwrap();
        start(HandlerSpec::new().returns::<copied::Stamp>()).await.unwrap();
    }
}
