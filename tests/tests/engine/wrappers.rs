//! What stands around the calls of handlers: outermost first, around compensations and late handlers too.

use std::sync::{Arc, Mutex};

use serde_json::json;
use support::{
    stage::Stage,
    world::{World, settled, worlds},
};
use tasker_runtime::{
    api::{Builder, Submission},
    handler::{HandlerSpec, Registration},
    model::TaskState,
    prelude::*,
    registry::Registry,
    template::{OnFailure, Step, Template},
};

/// What the wrappers saw, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(step: &TaskSequenceStep, what: &str) {
        let seen = step.parts().states.get::<Self>().unwrap();
        seen.0.lock().unwrap().push(format!("{what} {}", step.name()));
    }

    fn all(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

async fn outer(step: &TaskSequenceStep, next: Next<'_>) -> Outcome {
    Seen::note(step, "outer");
    let outcome = next.run(step).await;
    Seen::note(step, if outcome.is_ok() { "well" } else { "ill" });
    outcome
}

async fn inner(step: &TaskSequenceStep, next: Next<'_>) -> Outcome {
    Seen::note(step, "inner");
    next.run(step).await
}

/// Refuses the step `b` until it is called a second time, and marks what every step returns.
async fn tenant(step: &TaskSequenceStep, next: Next<'_>) -> Outcome {
    if step.name() == "b" && step.attempt() == 1 {
        return Err(StepError::retryable("NO_TENANT", "not yet"));
    }
    let result = next.run(step).await?;
    step.output(&format!("{} of ada", result.parse::<String>()?))
}

#[step_handler(around = [outer, inner])]
async fn wrapped_pay(#[input("cents")] cents: u64) -> u64 {
    cents
}

/// A handler that does what the stage says.
struct Plays(&'static str, fn() -> HandlerSpec);

impl StepHandler for Plays {
    fn name(&self) -> &str {
        self.0
    }

    async fn call(&self, step: &TaskSequenceStep) -> Outcome {
        step.parts().states.get::<Stage>().unwrap().play(step).await
    }

    fn spec(&self) -> HandlerSpec {
        (self.1)()
    }
}

fn plays(name: &'static str, spec: fn() -> HandlerSpec) -> Registration {
    Registration::of(Arc::new(Plays(name, spec)))
}

fn registry() -> Registry {
    let undo: fn() -> HandlerSpec = || HandlerSpec::new().compensates("do");
    Registry::of([plays("do", HandlerSpec::new), plays("undo", undo)])
}

fn order() -> Template {
    let order = Template::builder("order").namespace("test").on_failure(OnFailure::Compensate);
    order.step(Step::new("a").handler("do")).step(Step::new("b").handler("do").after(["a"])).build().unwrap()
}

fn builder(world: &World, seen: &Seen) -> Builder {
    world.builder(&[]).registry(registry()).template(order()).state(seen.clone())
}

#[tokio::test]
async fn wrappers_stand_around_each_call_and_each_compensation_outermost_first() {
    for world in worlds().await {
        world.stage.on("b", |_| async { Err(StepError::permanent("BROKEN", "for good")) });
        let seen = Seen::default();
        let tasker = builder(&world, &seen).around(outer).around(inner).start().await.unwrap();
        let task = tasker.submit(Submission::to("test/order")).await.unwrap();
        assert_eq!(settled(&tasker, task).await.state, TaskState::Compensated, "{}", world.database);
        let expected = [
            "outer a",
            "inner a",
            "well a",
            "outer b",
            "inner b",
            "ill b",
            "outer undo a",
            "inner undo a",
            "well undo a",
        ];
        assert_eq!(seen.all(), expected, "{}", world.database);
    }
}

#[tokio::test]
async fn wrapper_may_refuse_an_attempt_and_change_what_it_comes_to() {
    for world in worlds().await {
        let tasker = builder(&world, &Seen::default()).around(tenant).start().await.unwrap();
        let task = tasker.submit(Submission::to("test/order")).await.unwrap();
        support::world::eventually("the first attempt at b to fail", || async {
            let report = tasker.show(task).await.unwrap().unwrap();
            report.step("b").filter(|step| step.attempts == 1).map(drop)
        })
        .await;
        world.clock.advance(std::time::Duration::from_secs(60));
        let report = settled(&tasker, task).await;
        assert_eq!(
            (report.state, &report.result),
            (TaskState::Complete, &json!("b of ada")),
            "{}",
            world.database
        );
        assert_eq!(report.step("b").unwrap().attempts, 2, "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1", "b 2"], "{}: what is refused is not called", world.database);
    }
}

#[tokio::test]
async fn those_of_a_handler_stand_inside_of_those_of_the_program_also_where_it_comes_late() {
    let pays =
        Template::builder("pays").namespace("test").step(Step::new("pay").handler("wrapped_pay")).build();
    let pays = pays.unwrap();
    for world in worlds().await {
        let seen = Seen::default();
        let builder = builder(&world, &seen).template(pays.clone()).partial(true);
        let tasker = builder.around(tenant_only).start().await.unwrap();
        let waiting = Submission::to("test/pays").context(&json!({"cents": 7})).unwrap();
        let task = tasker.submit(waiting).await.unwrap();
        tasker.add_handlers(handlers![wrapped_pay]).await.unwrap();
        assert_eq!(settled(&tasker, task).await.result, json!(7), "{}", world.database);
        assert_eq!(seen.all(), ["tenant pay", "outer pay", "inner pay", "well pay"], "{}", world.database);
    }
}

async fn tenant_only(step: &TaskSequenceStep, next: Next<'_>) -> Outcome {
    Seen::note(step, "tenant");
    next.run(step).await
}
