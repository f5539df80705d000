//! Steps that go round: their handler is called again until it says that it is done.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::{
    stage::{step, template},
    world::{Process, World, eventually, settled, worlds},
};
use tasker_runtime::{
    Tasker,
    api::{Builder, Submission, TaskReport},
    handler::HandlerSpec,
    model::{Command, StepState, TaskState},
    prelude::*,
    registry::Registry,
    template::{Step, Template},
    testing,
};
use uuid::Uuid;

use crate::{
    lending::{plain, plays, process},
    operators::{refusal, retry, skip},
};

const MINUTE: Duration = Duration::from_secs(60);

/// A step whose handler goes round, four times at most.
fn looped(name: &str, after: &[&str]) -> Step {
    Step::new(name).handler("loops").after(after.iter().copied())
}

/// `poll` goes round, and `after` comes behind it.
fn polling() -> Template {
    template("polling", [looped("poll", &[]), step("after", &["poll"])])
}

fn handlers() -> Registry {
    let spec = HandlerSpec::new().rounds(4).attempts(2).base(Duration::from_secs(1));
    Registry::of([plays("loops", spec), plain("play")])
}

fn builder(world: &World) -> Builder {
    world.builder(&[]).registry(handlers()).template(polling())
}

/// `poll` counts its rounds and is done in round `last`, with so much between them.
fn counts(world: &World, last: u64, pause: Duration) {
    world.stage.on_text("poll", move |step| async move {
        let seen = step.round_state::<u64>()?.unwrap_or_default();
        assert_eq!(u64::from(step.round()?), seen + 1);
        if seen + 1 == last {
            step.output(&json!({ "rounds": last }))
        } else {
            step.again(&(seen + 1), pause)
        }
    });
}

async fn submit(tasker: &Tasker) -> Uuid {
    tasker.submit(Submission::to("test/polling")).await.unwrap()
}

/// The task once it waits for this round.
async fn between(tasker: &Tasker, task: Uuid, round: u32) -> TaskReport {
    let look = || async {
        let report = tasker.show(task).await.unwrap().unwrap();
        let step = report.step("poll").unwrap();
        let waits = step.state == StepState::Waiting && report.state == TaskState::Waiting;
        (waits && step.round.as_ref().is_some_and(|at| at.number == round)).then_some(report)
    };
    eventually(&format!("round {round} to be waited for"), look).await
}

/// What is recorded of attempts without a result, as `attempt round`.
async fn recorded(world: &World) -> Vec<String> {
    let rows = world.rows("select attempt, round from tasker.attempts order by attempt").await;
    let text = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
    rows.into_iter().map(|row| row.into_iter().map(text).collect::<Vec<_>>().join(" ")).collect()
}

#[tokio::test]
async fn step_goes_round_until_it_is_done_and_what_is_recorded_does_not_grow() {
    for world in worlds().await {
        counts(&world, 4, MINUTE);
        let tasker = builder(&world).start().await.unwrap();
        let task = submit(&tasker).await;
        for round in 2..=4 {
            let report = between(&tasker, task, round).await;
            let step = report.step("poll").unwrap();
            let due = step.finished_at.unwrap() + MINUTE;
            assert_eq!(report.next_at, Some(due), "{}", world.database);
            let waits_for = step.waits_for.as_deref().unwrap();
            assert_eq!(waits_for, format!("round {round}, at {due}: `retry` has it start at once"));
            let at = step.round.as_ref().unwrap();
            assert_eq!((at.number, at.state.as_str()), (round, &*(round - 1).to_string()));
            assert_eq!((step.attempts, &step.error), (round - 1, &None), "{}", world.database);
            assert_eq!(recorded(&world).await, [format!("{} {}", round - 1, round - 1)]);
            world.clock.advance(MINUTE - Duration::from_micros(1));
            assert_eq!(world.stage.times("poll").len(), round as usize - 1, "{}", world.database);
            world.clock.advance(Duration::from_micros(1));
        }
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Complete, "{}", world.database);
        assert_eq!(report.step("poll").unwrap().result, json!({"rounds": 4}));
        assert_eq!(report.step("poll").unwrap().attempts, 4);
        assert_eq!(world.stage.called(), ["poll 1", "poll 1", "poll 1", "poll 1", "after 1"]);
        assert_eq!(recorded(&world).await, ["3 3"], "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn view_of_the_steps_says_that_the_step_waits_and_counts_its_attempts() {
    for world in worlds().await {
        // The view goes by the clock of the database, before which no round of this task is due.
        world.clock.advance(Duration::from_secs(86_400 * 36_500));
        counts(&world, 4, 60 * MINUTE);
        let tasker = builder(&world).start().await.unwrap();
        let task = submit(&tasker).await;
        for round in 2..4 {
            between(&tasker, task, round).await;
            let rows = world
                .rows("select step, state, cast(attempts as text), error_code from tasker.step_states")
                .await;
            let poll =
                [Some("poll".to_owned()), Some("waiting".to_owned()), Some((round - 1).to_string()), None];
            assert_eq!(rows[0], poll, "{}", world.database);
            tasker.operate(task, &retry(&["poll"])).await.unwrap();
        }
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn each_round_has_attempts_of_its_own_with_the_same_state_and_key() {
    for world in worlds().await {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let notes = seen.clone();
        world.stage.on_text("poll", move |step| {
            let key =
                IdempotencyKey::from_step(&step).unwrap().as_str().replace(&step.task_id().to_string(), "");
            let (round, attempt, most) = (step.round().unwrap(), step.attempt(), step.max_attempts());
            notes.lock().unwrap().push(format!("{round} {attempt}/{most} {key}"));
            async move {
                match (round, attempt) {
                    (_, 1) => Err(StepError::retryable("DOWN", "not yet")),
                    (3, _) => step.output("done"),
                    _ => step.again(&round, Duration::ZERO),
                }
            }
        });
        let tasker = builder(&world).start().await.unwrap();
        let task = submit(&tasker).await;
        let look = || async {
            world.clock.advance(Duration::from_millis(100));
            let report = tasker.show(task).await.unwrap().unwrap();
            (report.state == TaskState::Complete).then_some(report)
        };
        let report = eventually("the end", look).await;
        assert_eq!(
            *seen.lock().unwrap(),
            [
                "1 1/2 :poll",
                "1 2/2 :poll",
                "2 1/2 :poll:2",
                "2 2/2 :poll:2",
                "3 1/2 :poll:3",
                "3 2/2 :poll:3"
            ],
            "{}",
            world.database
        );
        assert_eq!(report.step("poll").unwrap().attempts, 6, "{}", world.database);
        // The failure of the last round is kept, those of the others are not.
        assert_eq!(recorded(&world).await, ["4 2", "5 -"], "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn killed_process_loses_the_round_that_ran_and_no_other() {
    for world in worlds().await {
        counts(&world, 3, Duration::from_secs(1));
        let first = Process::start(builder(&world)).await;
        let task = first.submit(Submission::to("test/polling")).await;
        world.stage.wait_for("poll", 1).await;
        eventually("the first round to be recorded", || async {
            (!recorded(&world).await.is_empty()).then_some(())
        })
        .await;
        let gate = Arc::new(tokio::sync::Notify::new());
        let held = gate.clone();
        world.stage.on_text("poll", move |step| {
            let held = held.clone();
            async move {
                assert_eq!(step.round_state::<u64>()?, Some(1));
                held.notified().await;
                step.again(&77_u64, Duration::ZERO)
            }
        });
        world.clock.advance(Duration::from_secs(1));
        world.stage.wait_for("poll", 2).await;
        first.kill();
        counts(&world, 3, Duration::from_secs(1));
        let second = builder(&world).start().await.unwrap();
        let look = || async {
            world.clock.advance(Duration::from_secs(1));
            let report = second.show(task).await.unwrap().unwrap();
            (report.state == TaskState::Complete).then_some(report)
        };
        let report = eventually("the other process to go on", look).await;
        assert_eq!(report.step("poll").unwrap().result, json!({"rounds": 3}), "{}", world.database);
        // Round 1, round 2 twice, round 3.
        assert_eq!(world.stage.times("poll").len(), 4, "{}", world.database);
        second.stop().await.unwrap();
    }
}

#[tokio::test]
async fn operator_has_the_next_round_start_at_once_or_ends_it() {
    for world in worlds().await {
        counts(&world, 3, 1_000 * MINUTE);
        let tasker = builder(&world).start().await.unwrap();
        let task = submit(&tasker).await;
        between(&tasker, task, 2).await;
        tasker.operate(task, &retry(&["poll"])).await.unwrap();
        between(&tasker, task, 3).await;
        assert_eq!(world.stage.times("poll").len(), 2, "{}", world.database);
        let result = Json::of(&json!({"rounds": "enough"})).unwrap();
        tasker.operate(task, &Command::Resolve { step: "poll".to_owned(), result }).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Complete, "{}", world.database);
        assert_eq!(report.step("poll").unwrap().result, json!({"rounds": "enough"}));

        let task = submit(&tasker).await;
        between(&tasker, task, 2).await;
        tasker.operate(task, &skip("poll")).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.step("poll").unwrap().state, StepState::Skipped, "{}", world.database);

        let task = submit(&tasker).await;
        between(&tasker, task, 2).await;
        tasker.operate(task, &Command::Pause).await.unwrap();
        world.clock.advance(1_000 * MINUTE);
        assert_eq!(tasker.show(task).await.unwrap().unwrap().state, TaskState::Paused, "{}", world.database);
        tasker.operate(task, &Command::Resume).await.unwrap();
        between(&tasker, task, 3).await;
        tasker.operate(task, &Command::Cancel).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Cancelled, "{}", world.database);
        assert_eq!(report.step("poll").unwrap().state, StepState::Cancelled, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn too_many_rounds_fail_the_step_and_an_operator_allows_the_last_one_again() {
    for world in worlds().await {
        counts(&world, 5, Duration::ZERO);
        let tasker = builder(&world).start().await.unwrap();
        let task = submit(&tasker).await;
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
        let step = report.step("poll").unwrap();
        assert_eq!(
            step.error.as_ref().unwrap().to_string(),
            "TOO_MANY_ROUNDS: round 4 asked for another, and 4 are allowed: see `max_rounds`"
        );
        assert_eq!(step.round.as_ref().unwrap().number, 4, "{}", world.database);
        assert_eq!(
            refusal(&tasker, task, retry(&["after"])).await,
            "step `after` is pending: only a step that failed or waits for a retry can be retried"
        );
        counts(&world, 4, Duration::ZERO);
        tasker.operate(task, &retry(&[])).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Complete, "{}", world.database);
        assert_eq!(report.step("poll").unwrap().result, json!({"rounds": 4}), "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn template_says_how_many_rounds_there_are() {
    for world in worlds().await {
        counts(&world, 3, Duration::ZERO);
        let few = Step { max_rounds: Some(2), ..looped("poll", &[]) };
        let builder = world.builder(&[]).registry(handlers()).template(template("polling", [few]));
        let tasker = builder.start().await.unwrap();
        let report = settled(&tasker, submit(&tasker).await).await;
        let error = report.step("poll").unwrap().error.clone().unwrap();
        assert_eq!(error.message(), "round 2 asked for another, and 2 are allowed: see `max_rounds`");
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_followed_fails_the_step_for_good() {
    let years = Duration::from_secs(11 * 365 * 86_400);
    for world in worlds().await {
        let tasker = builder(&world).start().await.unwrap();
        let long = "x".repeat(2 << 20);
        for (state, after, code) in
            [(json!(1), years, "INVALID_DELAY"), (json!(long), Duration::ZERO, "STATE_TOO_LARGE")]
        {
            world.stage.on_text("poll", move |step| {
                let state = state.clone();
                async move { step.again(&state, after) }
            });
            let report = settled(&tasker, submit(&tasker).await).await;
            assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
            let error = report.step("poll").unwrap().error.clone().unwrap();
            assert_eq!((error.code(), error.is_retryable()), (code, false), "{}: {error}", world.database);
        }
        // A handler that is called once cannot ask for more, and nothing of it is taken for a result.
        counts(&world, 2, Duration::ZERO);
        let once = template("once", [step("poll", &[])]);
        let other = world.builder(&[]).template(once).connect().await.unwrap();
        tasker.stop().await.unwrap();
        let tasker =
            world.builder(&[]).template(template("once", [step("poll", &[])])).start().await.unwrap();
        let task = other.submit(Submission::to("test/once")).await.unwrap();
        let error = settled(&tasker, task).await.step("poll").unwrap().error.clone().unwrap();
        assert_eq!(error.code(), "NOT_A_LOOP", "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn lent_step_goes_round_as_one_that_runs_at_home() {
    for world in worlds().await {
        counts(&world, 3, Duration::from_secs(1));
        let mut written = looped("poll", &[]);
        written.queue = Some("other".to_owned());
        let template = template("polling", [written, step("after", &["poll"])]);
        let holder = process(&world, "test", [plain("play")], &template).await;
        let spec = HandlerSpec::new().rounds(4);
        let taker = process(&world, "other", [plays("loops", spec)], &template).await;
        let task = submit(&holder).await;
        let look = || async {
            world.clock.advance(Duration::from_millis(200));
            let report = holder.show(task).await.unwrap().unwrap();
            (report.state == TaskState::Complete).then_some(report)
        };
        let report = eventually("the end", look).await;
        assert_eq!(report.step("poll").unwrap().result, json!({"rounds": 3}), "{}", world.database);
        let workers =
            "select worker from tasker.attempts union all select worker from tasker.steps where step = 0";
        assert_eq!(world.column(workers).await, ["2", "2"], "{}", world.database);
        assert_eq!(recorded(&world).await, ["2 2"], "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.offers").await, 0, "{}", world.database);
        holder.stop().await.unwrap();
        taker.stop().await.unwrap();
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Talk {
    said: Vec<String>,
}

#[step_handler(name = "rounds_ask")]
async fn ask(#[input("words")] words: Vec<String>) -> Vec<String> {
    words
}

#[step_handler(name = "rounds_answer", max_rounds = 10, retry = 1)]
async fn answer(
    #[depends_on(ask)] words: Vec<String>,
    mut talk: Round<Talk>,
) -> Result<Loop<Talk, String>, StepError> {
    let at = talk.said.len();
    match words.get(at) {
        Some(word) if word == "fail" => Err(StepError::permanent("STOP", "told to fail")),
        Some(word) if word == "never" => Ok(Loop::again(talk).after("soon")),
        Some(word) => {
            talk.said.push(word.to_uppercase());
            Ok(Loop::again(talk).after("1h"))
        }
        None => Ok(Loop::done(talk.said.join(" "))),
    }
}

#[step_handler(name = "rounds_end")]
async fn end(#[depends_on(answer)] said: String) -> usize {
    said.len()
}

workflow!(talking = [ask, answer, end]);

#[tokio::test]
async fn annotated_function_goes_round_and_its_dependents_read_what_it_is_done_with() {
    let run = async |words: Value| testing::run(talking, &json!({"words": words})).await;
    let talked = run(json!(["a", "b", "c"])).await.unwrap();
    assert_eq!(talked.result::<usize>().unwrap(), 5);
    assert_eq!(talked.result_of::<answer>().unwrap(), "A B C");
    assert!(talked.took >= Duration::from_secs(3 * 3600), "{:?}", talked.took);
    let failed = run(json!(["a", "fail"])).await.unwrap();
    assert_eq!(failed.result_of::<answer>().unwrap_err().code(), "STOP");
    let refused = run(json!(["never"])).await.unwrap();
    assert_eq!(
        refused.result_of::<answer>().unwrap_err().to_string(),
        "INVALID_DELAY: `soon` is not a delay: write a number and a unit: `200ms`, `30s`, `5m`, `1h30m` or `2d`"
    );
    let endless = run(json!(vec!["more"; 20])).await.unwrap();
    assert_eq!(endless.result_of::<answer>().unwrap_err().code(), "TOO_MANY_ROUNDS");
}
