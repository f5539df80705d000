//! Decisions choose what runs below them, whatever happens in between.

use std::time::Duration;

use serde_json::{Value, json};
use support::{
    stage::{step, template},
    world::{settled, worlds},
};
use tasker_runtime::{
    api::{Submission, TaskReport},
    model::{Command, Json, StepState, TaskState},
    template::{StepKind, Template},
};

/// `choose` → left → left_end, `choose` → right (a decision) → near, far; `end` gathers what was taken.
fn nested() -> Template {
    let choose = step("choose", &["start"]).kind(StepKind::Decision);
    let right = step("right", &["choose"]).kind(StepKind::Decision);
    let end = step("end", &["left_end", "near", "far"]).kind(StepKind::DeferredConvergence);
    let [left, left_end] = [step("left", &["choose"]), step("left_end", &["left"])];
    let [near, far] = [step("near", &["right"]), step("far", &["right"])];
    template("nested", [step("start", &[]), choose, left, left_end, right, near, far, end])
}

fn route(routes: &[&str]) -> Value {
    json!({"routes": routes})
}

/// The names of the steps in this state, in the order of the template.
fn names(report: &TaskReport, state: StepState) -> Vec<&str> {
    report.steps.iter().filter(|step| step.state == state).map(|step| &*step.name).collect()
}

#[tokio::test]
async fn only_what_the_nested_decisions_take_is_run_and_the_rest_is_skipped() {
    for (choice, inner, run) in [
        (&["left"][..], &[][..], &["left", "left_end"][..]),
        (&["right"], &["far"], &["right", "far"]),
        (&["left", "right"], &["near"], &["left", "left_end", "right", "near"]),
        (&["right"], &["near", "far"], &["right", "near", "far"]),
    ] {
        for world in worlds().await {
            world.stage.on("choose", move |_| async move { Ok(route(choice)) });
            world.stage.on("right", move |_| async move { Ok(route(inner)) });
            let tasker = world.start(&nested()).await;
            let task = tasker.submit(Submission::to("test/nested")).await.unwrap();
            let report = settled(&tasker, task).await;
            assert_eq!(report.state, TaskState::Complete, "{}", world.database);
            let mut wanted = vec!["start", "choose"];
            wanted.extend_from_slice(run);
            wanted.push("end");
            assert_eq!(names(&report, StepState::Complete), wanted, "{}", world.database);
            assert_eq!(names(&report, StepState::Skipped).len(), 8 - wanted.len(), "{}", world.database);
            assert_eq!(world.stage.calls().len(), wanted.len(), "{}", world.database);
        }
    }
}

#[tokio::test]
async fn template_that_nests_more_decisions_than_may_be_is_refused_at_the_start() {
    let names: Vec<String> = (1..=21).map(|depth| format!("choice_{depth}")).collect();
    let mut steps = vec![step(&names[0], &[]).kind(StepKind::Decision)];
    for pair in names.windows(2) {
        // What is only in between does not count.
        let between = format!("after_{}", pair[0]);
        steps.push(step(&between, &[&pair[0]]));
        steps.push(step(&pair[1], &[&between]).kind(StepKind::Decision));
    }
    steps.push(step("end", &["choice_21"]));
    let deep = template("deep", steps);
    for world in worlds().await {
        for (settings, most) in [(&[][..], 20), (&[("limits.max_decision_depth", "7")], 7)] {
            let refused = world.builder(settings).template(deep.clone()).connect().await.err().unwrap();
            let message = format!(
                "template test/deep nests 21 decisions, from `choice_1` to `choice_21`, and at most {most} may be \
                 nested: split it, or raise limits.max_decision_depth"
            );
            assert_eq!(refused.to_string(), message, "{}", world.database);
        }
        let settings = [("limits.max_decision_depth", "21")];
        assert!(world.builder(&settings).template(deep.clone()).start().await.is_ok(), "{}", world.database);
    }
}

#[tokio::test]
async fn convergence_is_skipped_where_nothing_was_taken() {
    for world in worlds().await {
        world.stage.on("choose", |_| async { Ok(json!({"routes": [], "reason": "nothing to do"})) });
        let tasker = world.start(&nested()).await;
        let task = tasker.submit(Submission::to("test/nested")).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Complete, "{}", world.database);
        assert_eq!(names(&report, StepState::Complete), ["start", "choose"], "{}", world.database);
    }
}

#[tokio::test]
async fn route_that_is_none_fails_the_decision_and_an_operator_can_give_the_right_one() {
    for (wrong, why) in [
        ("rihgt", "did you mean `right`?"),
        // A step, but of another branch.
        ("near", "its routes are left, right"),
    ] {
        for world in worlds().await {
            world.stage.on("choose", move |_| async move { Ok(route(&[wrong])) });
            world.stage.on("right", |_| async { Ok(route(&["far"])) });
            let tasker = world.start(&nested()).await;
            let task = tasker.submit(Submission::to("test/nested")).await.unwrap();
            let report = settled(&tasker, task).await;
            assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
            let failed = report.step("choose").unwrap();
            let error = failed.error.as_ref().unwrap();
            assert!(!error.is_retryable() && failed.attempts == 1, "{failed:?}");
            assert!(error.message().contains(why), "{error}");

            let refused = Command::Resolve {
                step: "choose".to_owned(),
                result: Json::of(&route(&["nowhere"])).unwrap(),
            };
            assert!(tasker.operate(task, &refused).await.unwrap_err().to_string().contains("nowhere"));
            let resolve =
                Command::Resolve { step: "choose".to_owned(), result: Json::of(&route(&["right"])).unwrap() };
            tasker.operate(task, &resolve).await.unwrap();
            let report = settled(&tasker, task).await;
            assert_eq!(report.state, TaskState::Complete, "{}", world.database);
            assert_eq!(names(&report, StepState::Skipped), ["left", "left_end", "near"]);
        }
    }
}

#[tokio::test]
async fn what_was_decided_holds_after_the_process_died() {
    for world in worlds().await {
        world.stage.on("choose", |_| async { Ok(route(&["left"])) });
        let gate = world.stage.gate("left");
        let first = world.process(&nested()).await;
        let task = first.submit(Submission::to("test/nested")).await;
        world.stage.wait_for("left", 1).await;
        first.kill();

        // Whoever takes the task up would choose otherwise, and is not asked.
        world.stage.on("choose", |_| async { Ok(route(&["right"])) });
        gate.add_permits(2);
        world.clock.advance(Duration::from_secs(16)); // a lease, and a little
        let second = world.start(&nested()).await;
        let report = settled(&second, task).await;
        assert_eq!(names(&report, StepState::Skipped), ["right", "near", "far"], "{}", world.database);
        assert_eq!(world.stage.times("choose").len(), 1, "{}", world.database);
    }
}

#[tokio::test]
async fn decision_of_a_thousand_routes_takes_every_second() {
    let routes: Vec<String> = (0..1_000).map(|number| format!("route_{number}")).collect();
    let mut steps = vec![step("choose", &[]).kind(StepKind::Decision)];
    steps.extend(routes.iter().map(|name| step(name, &["choose"])));
    for world in worlds().await {
        let taken: Vec<String> = routes.iter().step_by(2).cloned().collect();
        world.stage.on("choose", move |_| {
            let taken = taken.clone();
            async move { Ok(json!({"routes": taken})) }
        });
        let tasker = world.start(&template("wide", steps.clone())).await;
        let task = tasker.submit(Submission::to("test/wide")).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(names(&report, StepState::Complete).len(), 501, "{}", world.database);
        assert_eq!(names(&report, StepState::Skipped).len(), 500, "{}", world.database);
    }
}
