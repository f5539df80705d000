//! Decisions that are enums: their routes are known from the type, and branches read what they carry.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::world::{settled, worlds};
use tasker_runtime::{
    model::{StepState, TaskState},
    prelude::*,
    registry::Registry,
    template::StepKind,
};

#[derive(Clone, Serialize, Deserialize)]
struct Limit {
    cents: u64,
}

#[derive(Routes)]
enum Approval {
    #[route(wave_through)]
    Small,
    #[route(ask_boss, ask_finance)]
    Large(Limit),
    #[route(skip = "nothing to approve")]
    Nothing,
    #[route(wave_through)]
    Odd(String),
}

#[decision]
#[step_handler]
async fn classify(cents: u64) -> Result<Approval, StepError> {
    match cents {
        0 => Ok(Approval::Nothing),
        1..1_000 => Ok(Approval::Small),
        1_000..1_000_000 => Ok(Approval::Large(Limit { cents: 1_000 })),
        _ => Err(StepError::permanent("TOO_MUCH", "nobody may approve that")),
    }
}

#[step_handler]
async fn wave_through(#[depends_on(classify)] odd: Option<String>) -> bool {
    odd.is_some()
}

#[step_handler]
async fn ask_boss(#[depends_on(classify)] limit: Limit) -> u64 {
    limit.cents
}

#[step_handler]
async fn ask_finance(#[depends_on(classify)] approval: Approval) -> u64 {
    if let Approval::Large(limit) = approval { limit.cents * 2 } else { 0 }
}

#[step_handler]
async fn file(
    #[depends_on(classify)] limit: Option<Limit>,
    #[depends_on(wave_through)] waved: Option<bool>,
    #[depends_on(ask_boss)] boss: Option<u64>,
    #[depends_on(ask_finance)] finance: Option<u64>,
) -> Value {
    json!([limit, waved, boss, finance])
}

workflow!(approving = [classify, wave_through, ask_boss, ask_finance, file]);

// Reads what only one of the variants carries that lead to it.
#[step_handler]
async fn mistaken(#[depends_on(choose_small)] limit: Limit) -> u64 {
    limit.cents
}

#[derive(Routes)]
enum Small {
    #[route(mistaken)]
    Small,
    #[route(mistaken)]
    Large(Limit),
}

#[decision]
#[step_handler]
async fn choose_small(cents: u64) -> Small {
    if cents < 1_000 { Small::Small } else { Small::Large(Limit { cents }) }
}

workflow!(mistaking = [choose_small, mistaken]);

fn registry() -> Registry {
    let handlers = handlers![classify, wave_through, ask_boss, ask_finance, file, choose_small, mistaken];
    Registry::of(handlers)
}

#[test]
fn routes_are_known_from_the_type() {
    let template = approving.template().unwrap();
    let kinds: Vec<_> = template.steps().iter().map(|step| (step.kind, step.depends_on.join(","))).collect();
    let after = "classify".to_owned();
    assert_eq!(
        kinds[..4],
        [
            (StepKind::Decision, String::new()),
            (StepKind::Standard, after.clone()),
            (StepKind::Standard, after.clone()),
            (StepKind::Standard, after),
        ]
    );
}

#[tokio::test]
async fn branches_read_what_their_route_carries() {
    for world in worlds().await {
        let builder = world.builder(&[]).registry(registry()).template(approving.template().unwrap());
        let tasker = builder.start().await.unwrap();
        let small: Value = tasker.run(approving, &5).await.unwrap();
        assert_eq!(small, json!([null, false, null, null]), "{}", world.database);
        let large: Value = tasker.run(approving, &5_000).await.unwrap();
        assert_eq!(large, json!([{"cents": 1_000}, null, 1_000, 2_000]), "{}", world.database);

        let task = approving.submit(&tasker, &0).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Complete, "{}", world.database);
        for branch in ["wave_through", "ask_boss", "ask_finance"] {
            assert_eq!(report.step(branch).unwrap().state, StepState::Skipped, "{}", world.database);
        }
        assert_eq!(report.step("file").unwrap().state, StepState::Complete, "{}", world.database);

        let task = approving.submit(&tasker, &2_000_000).await.unwrap();
        let report = settled(&tasker, task).await;
        let error = report.step("classify").unwrap().error.clone().unwrap();
        assert_eq!(error.code(), "TOO_MUCH", "{}", world.database);
    }
}

#[tokio::test]
async fn branch_that_reads_what_another_variant_carries_fails_for_good() {
    for world in worlds().await {
        let builder = world.builder(&[]).registry(registry()).template(mistaking.template().unwrap());
        let tasker = builder.start().await.unwrap();
        let task = mistaking.submit(&tasker, &5).await.unwrap();
        let report = settled(&tasker, task).await;
        let step = report.step("mistaken").unwrap();
        let error = step.error.clone().unwrap();
        assert_eq!((error.code(), step.attempts), ("OTHER_ROUTE", 1), "{}", world.database);
        let carried: u64 = tasker.run("mistaking", &5_000).await.unwrap();
        assert_eq!(carried, 5_000, "{}", world.database);
    }
}
