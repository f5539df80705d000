//! Workflows in code with decisions and batches: kinds and edges follow from the handlers.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::world::worlds;
use tasker_runtime::{prelude::*, registry::Registry, template::StepKind};

#[derive(Serialize, Deserialize)]
struct Amount {
    cents: u64,
}

#[step_handler]
#[decision(routes = [approve, ask_manager])]
async fn choose(amount: Amount) -> Decision {
    if amount.cents < 100_000 { Decision::route([approve]) } else { Decision::route([ask_manager]) }
}

// Nothing of the decision is read: that it is a route is edge enough.
#[step_handler]
async fn approve(amount: Amount) -> u64 {
    amount.cents
}

#[step_handler]
async fn ask_manager(amount: Amount) -> u64 {
    amount.cents / 2
}

#[step_handler]
async fn pay(#[depends_on(approve)] all: Option<u64>, #[depends_on(ask_manager)] half: Option<u64>) -> Value {
    json!({"approved": all, "by_manager": half})
}

workflow!(approval = [choose, approve, ask_manager, pay]);

#[step_handler]
#[batch_analyzer(worker = add_up)]
async fn cut(rows: u64) -> BatchPlan {
    BatchPlan::of_size(rows, 3)
}

#[step_handler]
#[batch_worker]
async fn add_up(rows: Cursor<u64>) -> u64 {
    rows.range().sum()
}

#[step_handler]
async fn total(#[depends_on(add_up)] sums: Vec<u64>) -> u64 {
    sums.iter().sum()
}

workflow!(adding = [cut, add_up, total]);

#[test]
fn kinds_and_edges_follow_from_the_handlers() {
    let shape = |workflow: &tasker_runtime::registry::Workflow| {
        let template = workflow.template().unwrap();
        let steps = template.steps().iter();
        steps.map(|step| (step.name.to_string(), step.kind, step.depends_on.join(","))).collect::<Vec<_>>()
    };
    let step = |name: &str, kind, after: &str| (name.to_owned(), kind, after.to_owned());
    assert_eq!(
        shape(&approval),
        [
            step("choose", StepKind::Decision, ""),
            step("approve", StepKind::Standard, "choose"),
            step("ask_manager", StepKind::Standard, "choose"),
            step("pay", StepKind::DeferredConvergence, "approve,ask_manager"),
        ]
    );
    assert_eq!(
        shape(&adding),
        [
            step("cut", StepKind::Batchable, ""),
            step("add_up", StepKind::BatchWorker, "cut"),
            step("total", StepKind::DeferredConvergence, "add_up"),
        ]
    );
}

#[tokio::test]
async fn workflows_in_code_decide_and_cut_batches() {
    for world in worlds().await {
        let registry = Registry::of(handlers![choose, approve, ask_manager, pay, cut, add_up, total]);
        let builder = world.builder(&[]).registry(registry).template(approval.template().unwrap());
        let tasker = builder.template(adding.template().unwrap()).start().await.unwrap();
        let small: Value = tasker.run("approval", &json!({"cents": 5})).await.unwrap();
        assert_eq!(small, json!({"approved": 5, "by_manager": null}), "{}", world.database);
        let large: Value = tasker.run("approval", &json!({"cents": 200_000})).await.unwrap();
        assert_eq!(large, json!({"approved": null, "by_manager": 100_000}), "{}", world.database);
        let sum: u64 = tasker.run("adding", &10).await.unwrap();
        assert_eq!(sum, 45, "{}", world.database);
        let nothing: u64 = tasker.run("adding", &0).await.unwrap();
        assert_eq!(nothing, 0, "{}", world.database);
    }
}

#[step_handler]
async fn invite(who: String) -> String {
    who
}

#[step_handler]
async fn reserve(#[depends_on(invite)] who: String) -> String {
    format!("a table for {who}")
}

#[timer(after(invite), delay = "2d")]
struct TwoDays;

#[step_handler(after(TwoDays, reserve))]
async fn remind_guest(#[depends_on(invite)] who: String) -> String {
    format!("dear {who}")
}

workflow!(dinner = [invite, reserve, TwoDays, remind_guest]);

#[tokio::test]
async fn step_comes_after_others_that_it_does_not_read() {
    let template = dinner.template().unwrap();
    let step = template.steps().iter().find(|step| &*step.name == "remind_guest").unwrap();
    let mut after = step.depends_on.clone();
    after.sort_unstable();
    assert_eq!(after, ["invite", "reserve", "two_days"]);
    let reminded = tasker_runtime::testing::run(dinner, "Ada").await.unwrap();
    assert_eq!(reminded.result::<String>().unwrap(), "dear Ada");
    assert!(reminded.took >= std::time::Duration::from_secs(2 * 86_400), "{:?}", reminded.took);
    // Nobody need say what the others returned.
    let alone =
        tasker_runtime::testing::run_step::<remind_guest>().result_of::<invite>(&"Ada".to_owned()).await;
    assert_eq!(alone.result::<String>().unwrap(), "dear Ada");
}
