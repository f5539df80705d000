//! Steps and compensations run where their handler is, by whatever name a template calls it.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use support::{
    stage::{Stage, step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    Tasker,
    api::{StartError, Submission},
    handler::{HandlerSpec, Registration},
    model::{Command, StepState, TaskState},
    prelude::*,
    registry::Registry,
    template::{Backoff, OnFailure, Step, Template},
};
use uuid::Uuid;

use crate::operators::in_state;

/// A handler that exists only since its test runs and does what the stage says.
struct Plays {
    name: &'static str,
    spec: HandlerSpec,
}

#[async_trait]
impl StepHandler for Plays {
    fn name(&self) -> &str {
        self.name
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        step.parts().states.get::<Stage>().unwrap().play(step).await
    }

    fn spec(&self) -> HandlerSpec {
        self.spec.clone()
    }
}

pub(crate) fn plays(name: &'static str, spec: HandlerSpec) -> Registration {
    Registration::of(Arc::new(Plays { name, spec }))
}

pub(crate) fn plain(name: &'static str) -> Registration {
    plays(name, HandlerSpec::new())
}

/// A process with these handlers that works for these queues.
pub(crate) async fn process(
    world: &World,
    queues: &str,
    handlers: impl IntoIterator<Item = Registration>,
    template: &Template,
) -> Tasker {
    start(world, queues, Registry::of(handlers), template).await
}

async fn start(world: &World, queues: &str, registry: Registry, template: &Template) -> Tasker {
    let builder = world.builder(&[("worker.queues", queues)]).registry(registry).partial(true);
    builder.template(template.clone()).start().await.unwrap()
}

/// The template `test/one` whose one step `a` calls what `callable` says.
fn one(callable: &str) -> Template {
    template("one", [Step::new("a").handler(callable)])
}

async fn submit(tasker: &Tasker, template: &str) -> Uuid {
    tasker.submit(Submission::to(template)).await.unwrap()
}

/// The workers that recorded the step's result, as text.
async fn runners(world: &World, step: u64) -> Vec<String> {
    world.column(&format!("select worker from tasker.steps where step = {step}")).await
}

/// Waits until so many offers are there that nobody has taken.
async fn offered(world: &World, count: u64) {
    let sql = "select count(*) from tasker.offers where taker is null";
    eventually("the offers", || async { (world.count(sql).await == count).then_some(()) }).await;
}

/// Lets polls and heartbeats pass, each several times.
async fn pass_time(world: &World) {
    for _ in 0..20 {
        world.clock.advance(Duration::from_millis(500));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn fail(stage: &Stage, step: &str) {
    stage.on(step, |_| async { Err(StepError::permanent("BROKEN", "it broke")) });
}

#[tokio::test]
async fn holder_that_lacks_the_handler_lends_to_whoever_resolves_what_the_template_writes() {
    let modern = || Registry::of([plain("modern_name")]);
    let old = || modern().with_aliases([("old.name".to_owned(), "modern_name".to_owned())].into());
    let spaced = || Registry::of([plays("coin", HandlerSpec::new().namespace("mint"))]);
    let own = || Registry::of([plays("coin", HandlerSpec::new().namespace("test")), plain("coin")]);
    let cases: [(&str, &dyn Fn() -> Registry); 5] = [
        ("old.name", &old),
        ("crate::steps::ModernName", &modern),
        ("Shop::Steps::ModernNameHandler", &modern),
        ("mint.coin", &spaced),
        ("coin", &own),
    ];
    for (callable, registry) in cases {
        for world in worlds().await {
            let holder = process(&world, "", [], &one(callable)).await;
            let task = submit(&holder, "test/one").await;
            offered(&world, 1).await;
            let taker = start(&world, "", registry(), &one(callable)).await;
            // No time passes: what waits is looked at when a process starts, and told when it is done.
            let report = settled(&holder, task).await;
            assert_eq!(report.state, TaskState::Complete, "{}: {callable}", world.database);
            assert_eq!(runners(&world, 0).await, ["2"], "{}: {callable}", world.database);
            taker.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn step_is_lent_under_the_key_of_its_handler_to_those_who_cannot_resolve_what_the_template_writes() {
    let mut written = Step::new("a").handler("old.name");
    written.queue = Some("other".to_owned());
    let template = template("one", [written]);
    for world in worlds().await {
        let spec = || HandlerSpec::new().attempts(2).base(Duration::from_secs(1)).backoff(Backoff::None);
        let aliases = [("old.name".to_owned(), "modern_name".to_owned())].into();
        let knows = Registry::of([plays("modern_name", spec())]).with_aliases(aliases);
        let holder = start(&world, "test", knows, &template).await;
        let taker = process(&world, "other", [plays("modern_name", spec())], &template).await;
        fail_once(&world.stage, "a");
        let task = submit(&holder, "test/one").await;
        world.stage.wait_for("a", 1).await;
        let again = || async {
            world.clock.advance(Duration::from_millis(300));
            (world.stage.times("a").len() == 2).then_some(())
        };
        eventually("the second attempt, which the handler asks for", again).await;
        let report = settled(&holder, task).await;
        assert_eq!(report.state, TaskState::Complete, "{}", world.database);
        assert_eq!(runners(&world, 0).await, ["2"], "{}", world.database);
        let workers = holder.workers().await.unwrap();
        assert!(workers.iter().all(|worker| worker.handlers == ["modern_name"]), "{workers:?}");
        taker.stop().await.unwrap();
    }
}

fn fail_once(stage: &Stage, step: &str) {
    stage.on(step, |step| async move {
        match step.attempt() {
            1 => Err(StepError::retryable("ONCE", "not yet")),
            _ => Ok(step.name().into()),
        }
    });
}

#[tokio::test]
async fn two_handlers_of_one_name_in_two_namespaces_have_limits_of_their_own() {
    let names = ["north 1", "north 2", "south 1"];
    let steps = [("n1", "north.cut"), ("n2", "north.cut"), ("s1", "south.cut")];
    let template = template("wood", steps.map(|(name, handler)| Step::new(name).handler(handler)));
    for world in worlds().await {
        let gates = steps.map(|(name, _)| world.stage.gate(name));
        let cut = |place: &'static str| plays("cut", HandlerSpec::new().namespace(place).concurrency(1));
        let holder = process(&world, "", [], &template).await;
        let task = submit(&holder, "test/wood").await;
        offered(&world, 3).await;
        let taker = process(&world, "", [cut("north"), cut("south")], &template).await;
        world.stage.wait_for("s1", 1).await;
        let called = || async { (world.stage.calls().len() == 2).then_some(()) };
        eventually("one call of each", called).await;
        pass_time(&world).await;
        assert_eq!(world.stage.calls().len(), 2, "{}: {:?}", world.database, world.stage.called());
        gates.iter().for_each(|gate| gate.add_permits(1));
        let over = || async {
            world.clock.advance(Duration::from_millis(300));
            let report = holder.show(task).await.unwrap().unwrap();
            (report.state == TaskState::Complete).then_some(report)
        };
        let report = eventually("the cut wood", over).await;
        assert_eq!(report.steps.len(), names.len(), "{}", world.database);
        taker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn plain_name_means_the_handler_of_the_template_s_own_namespace() {
    for world in worlds().await {
        let of = |namespace: &str| {
            let builder = Template::builder("one").namespace(namespace).step(Step::new("a").handler("cut"));
            builder.build().unwrap()
        };
        let says = |place: &'static str| {
            struct Says(&'static str);
            #[async_trait]
            impl StepHandler for Says {
                fn name(&self) -> &str {
                    "cut"
                }
                async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
                    step.output(self.0)
                }
                fn spec(&self) -> HandlerSpec {
                    HandlerSpec::new().namespace(self.0)
                }
            }
            Registration::of(Arc::new(Says(place)))
        };
        let builder = || world.builder(&[]).partial(true).template(of("north")).template(of("south"));
        let holder = builder().registry(Registry::of([] as [Registration; 0])).start().await.unwrap();
        let taker = builder().registry(Registry::of([says("north"), says("south")])).start().await.unwrap();
        for place in ["north", "south"] {
            let task = submit(&holder, &format!("{place}/one")).await;
            assert_eq!(settled(&holder, task).await.result, json!(place), "{}", world.database);
        }
        taker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn queue_of_the_handler_counts_where_the_holder_does_not_know_it() {
    let printing = one("print_page");
    for world in worlds().await {
        let press = || [plays("print_page", HandlerSpec::new().queue("press"))];
        let holder = process(&world, "test", [], &printing).await;
        let desk = process(&world, "test", press(), &printing).await;
        let task = submit_to(&holder, &world, "test/one").await;
        offered(&world, 1).await;
        pass_time(&world).await;
        assert!(world.stage.called().is_empty(), "{}: nobody serves the press", world.database);
        let printer = process(&world, "press", press(), &printing).await;
        let report = settled(&holder, task).await;
        assert_eq!(report.state, TaskState::Complete, "{}", world.database);
        assert_eq!(runners(&world, 0).await, ["3"], "{}", world.database);
        desk.stop().await.unwrap();
        printer.stop().await.unwrap();
    }
}

/// As [`submit`], where several processes might claim the task and each would lend the step.
async fn submit_to(tasker: &Tasker, world: &World, template: &str) -> Uuid {
    let task = submit(tasker, template).await;
    let held = || async {
        world.clock.advance(Duration::from_millis(100));
        (world.count("select count(*) from tasker.runs where owner is not null").await == 1).then_some(())
    };
    eventually("the task to be held", held).await;
    task
}

/// `a` and `c` are of the office, `b` and `d` of the field, where `b` can be taken back; then `z` fails.
fn field_work() -> Template {
    let steps = [("a", "desk"), ("b", "dig"), ("c", "desk"), ("d", "look"), ("z", "desk")];
    let mut last: Option<&str> = None;
    let mut builder = Template::builder("work").namespace("test").on_failure(OnFailure::Compensate);
    for (name, handler) in steps {
        builder = builder.step(Step::new(name).handler(handler).after(last));
        last = Some(name);
    }
    builder.build().unwrap()
}

fn office() -> [Registration; 2] {
    [plain("desk"), plays("tidy", HandlerSpec::new().compensates("desk"))]
}

fn field() -> [Registration; 3] {
    let fill = HandlerSpec::new().compensates("dig").attempts(3).base(Duration::from_secs(1));
    [plain("dig"), plays("fill", fill.backoff(Backoff::None)), plain("look")]
}

#[tokio::test]
async fn rollback_whose_handlers_are_in_two_processes_ends() {
    for world in worlds().await {
        fail(&world.stage, "z");
        fail_once(&world.stage, "undo b");
        let office = process(&world, "", office(), &field_work()).await;
        let field = process(&world, "", field(), &field_work()).await;
        let task = submit(&office, "test/work").await;
        let over = || async {
            world.clock.advance(Duration::from_millis(200));
            office.show(task).await.unwrap().filter(|report| report.state.is_final())
        };
        let report = eventually("the rollback to end", over).await;
        assert_eq!(report.state, TaskState::Compensated, "{}: {report:?}", world.database);
        let compensated: Vec<_> =
            world.stage.called().into_iter().filter(|call| call.starts_with("undo")).collect();
        assert_eq!(compensated, ["undo c 1", "undo b 1", "undo b 2", "undo a 1"], "{}", world.database);
        let of = |name: &str| report.step(name).map(|step| (step.state, step.result.clone()));
        if let Some((state, result)) = of("undo d") {
            // Whoever held the task at the end did not know that nothing compensates it.
            assert_eq!((state, result), (StepState::Complete, json!(null)), "{}", world.database);
        }
        assert_eq!(of("undo b").unwrap(), (StepState::Complete, json!("undo b")), "{}", world.database);
        field.stop().await.unwrap();
    }
}

#[tokio::test]
async fn rollback_waits_for_the_process_that_has_the_handler_and_says_so() {
    for world in worlds().await {
        fail(&world.stage, "z");
        let first = process(&world, "", office().into_iter().chain(field()), &field_work()).await;
        let gate = world.stage.gate("undo c");
        let task = submit(&first, "test/work").await;
        world.stage.wait_for("undo c", 1).await;
        drop(gate);
        // What it was doing comes to no end.
        first.stop().await.unwrap();
        world.stage.on("undo c", |_| async { Ok(json!("tidied")) });
        let office = process(&world, "", office(), &field_work()).await;
        let waits = || async {
            world.clock.advance(Duration::from_millis(500));
            let report = office.show(task).await.unwrap().unwrap();
            report.cause.clone().filter(|cause| cause.contains("handler `look`")).map(|_| report)
        };
        // Only the field knows that nothing compensates `d`, which finished last.
        let report = eventually("the cause", waits).await;
        assert_eq!(report.state, TaskState::Compensating, "{}", world.database);
        assert!(report.cause.unwrap().contains("step `undo d` waits since "), "{}", world.database);
        let field = process(&world, "", field(), &field_work()).await;
        let over = || async {
            world.clock.advance(Duration::from_millis(200));
            office.show(task).await.unwrap().filter(|report| report.state.is_final())
        };
        assert_eq!(eventually("the end", over).await.state, TaskState::Compensated, "{}", world.database);
        field.stop().await.unwrap();
    }
}

#[tokio::test]
async fn handler_that_comes_while_the_program_runs_is_called_for_what_waits() {
    for world in worlds().await {
        let template = one("plugin.step");
        let tasker = process(&world, "", [plain("other")], &template).await;
        let task = submit(&tasker, "test/one").await;
        offered(&world, 1).await;
        tasker.add_handlers([plays("step", HandlerSpec::new().namespace("plugin"))]).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Complete, "{}", world.database);
        let next = submit(&tasker, "test/one").await;
        assert_eq!(settled(&tasker, next).await.state, TaskState::Complete, "{}", world.database);
        let workers = tasker.workers().await.unwrap();
        assert_eq!(workers[0].handlers, ["other", "plugin.step"], "{}", world.database);
        let taken = tasker.add_handlers([plain("free"), plain("other")]).await.unwrap_err();
        let StartError::Wiring { problems } = taken else { panic!("{taken:?}") };
        assert!(problems[0].contains("two handlers are called `other`"), "{problems:?}");
        assert!(tasker.registry().find("test", "free").is_err(), "nothing of it was added");
    }
}

#[tokio::test]
async fn lent_steps_of_one_task_are_run_and_come_home_without_time_passing() {
    let names: Vec<String> = (0..300).map(|number| format!("s{number}")).collect();
    let steps = names.iter().map(|name| step(name, &[]));
    let template = template("wide", steps);
    for world in worlds().await {
        let holder = process(&world, "", [], &template).await;
        let taker = process(&world, "", [plain("play")], &template).await;
        let task = submit(&holder, "test/wide").await;
        let report = settled(&holder, task).await;
        assert_eq!(report.state, TaskState::Complete, "{}", world.database);
        assert_eq!(world.stage.calls().len(), names.len(), "{}", world.database);
        taker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn pause_and_cancel_take_back_what_nobody_has_taken() {
    let template = one("nobody_has_it");
    for world in worlds().await {
        let holder = process(&world, "test", [], &template).await;
        let task = submit(&holder, "test/one").await;
        offered(&world, 1).await;
        for (command, state, offers) in [
            (Command::Pause, TaskState::Paused, 0),
            (Command::Resume, TaskState::InProgress, 1),
            (Command::Cancel, TaskState::Cancelled, 0),
        ] {
            let passing = async {
                loop {
                    pass_time(&world).await;
                }
            };
            tokio::select! {
                answer = holder.operate(task, &command) => drop(answer.unwrap()),
                () = passing => {}
            }
            in_state(&holder, task, state).await;
            offered(&world, offers).await;
        }
        holder.stop().await.unwrap();
    }
}
