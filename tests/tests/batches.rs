//! Decisions and batches, from the handler to the report, on both stores.
#![allow(clippy::unwrap_used)]

mod batch_world;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use batch_world::{Cut, SLOW, World, failing, template};
use serde_json::{Value, json};
use support::world::{self as stores, eventually, settled};
use tasker_runtime::{
    Tasker,
    api::{Submission, TaskReport},
    clock::Clock,
    handler::Registration,
    model::{Command, Json, StepState, TaskState, Timestamp},
    prelude::*,
    registry::Registry,
    template::FailureStrategy::{ContinueOnFailure, FailFast, Isolate},
};

fn templates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tasks")
}

/// The states of the steps by name.
fn states(report: &TaskReport) -> BTreeMap<&str, StepState> {
    report.steps.iter().map(|step| (&*step.name, step.state)).collect()
}

/// One that stands still, and one that is ahead of it by more than a lease.
fn clocks() -> [Clock; 2] {
    let start = Timestamp::from_micros(1_750_000_000_000_000);
    [Clock::manual(start), Clock::manual(start + Duration::from_secs(60))]
}

fn retry() -> Command {
    Command::Retry { steps: Vec::new() }
}

fn text(result: &Value) -> Json {
    Json::of(result).unwrap()
}

#[tokio::test]
async fn the_amount_decides_which_branches_run() {
    for world in World::on_both(|builder| builder.template_directory(templates())).await {
        for (amount, path, chain, skipped) in [
            (json!(250), "auto", json!(["auto"]), &["manager_approval", "finance_review"][..]),
            (json!(1_000), "manager_only", json!(["manager"]), &["auto_approve", "finance_review"]),
            (json!(4_999.99), "manager_only", json!(["manager"]), &["auto_approve", "finance_review"]),
            (json!(5_000), "dual_approval", json!(["manager", "finance"]), &["auto_approve"]),
        ] {
            let context = json!({"amount": amount, "requester": "ada", "purpose": "a desk"});
            let report = world.run("approval_routing", &context).await;
            assert_eq!(report.state, TaskState::Complete, "{world} {amount}");
            let result = &report.result;
            assert_eq!((&result["approval_path"], &result["approval_chain"]), (&json!(path), &chain));
            assert_eq!((&result["approved"], &result["requester"]), (&json!(true), &json!("ada")));
            assert_eq!(result["final_amount"].as_f64(), amount.as_f64());
            for (name, state) in states(&report) {
                let wanted = if skipped.contains(&name) { StepState::Skipped } else { StepState::Complete };
                assert_eq!(state, wanted, "{world} {amount} {name}");
            }
        }
    }
}

/// The numbers were worked out from the file by a few lines of Python, in decimals.
#[tokio::test]
async fn a_product_list_is_worth_what_it_is_worth_to_the_cent() {
    for world in World::on_both(|builder| builder.template_directory(templates())).await {
        let report =
            world.run("csv_product_inventory_analyzer", &json!({"csv_file_path": "products.csv"})).await;
        assert_eq!(report.state, TaskState::Complete, "{world} {:?}", report.cause);
        let categories = json!({
            "beauty": 123, "fragrances": 134, "furniture": 133, "groceries": 136, "home-decoration": 115,
            "kitchen-accessories": 119, "laptops": 139, "sports, outdoor": 101
        });
        assert_eq!(
            report.result,
            json!({
                "total_processed": 1000, "total_inventory_value": 248_876_585.05, "category_counts": categories,
                "max_price": 2498.77, "max_price_product": "Compact Tent 393, 24\" wide",
                "overall_average_rating": 3.085, "worker_count": 5
            })
        );
        let first = &report.step("process_csv_batch_001").unwrap().result;
        assert_eq!(first["total_inventory_value"], json!(49_021_632.57));
        assert_eq!(
            (&first["start_row"], &first["end_row"], &first["batch_id"]),
            (&json!(0), &json!(200), &json!("001"))
        );
        let last = &report.step("process_csv_batch_005").unwrap().result;
        assert_eq!(last["total_inventory_value"], json!(52_916_764.57));
        assert_eq!(last["max_price_product"], json!("Ultra Kettle 825"));
        let batches = report.step("process_csv_batch").unwrap().batches.unwrap();
        assert_eq!((batches.total, batches.complete), (5, 5));
    }
}

#[tokio::test]
async fn a_small_product_list_has_no_batches_and_a_bad_one_says_where() {
    for world in World::on_both(|builder| builder.template_directory(templates())).await {
        let report = world.run("csv_product_inventory_analyzer", &json!({"csv_file_path": "few.csv"})).await;
        assert_eq!(report.state, TaskState::Complete, "{world} {:?}", report.cause);
        assert_eq!(report.result["total_inventory_value"], json!(200.05));
        assert_eq!(report.result["worker_count"], json!(0));
        assert_eq!(report.step("analyze_csv").unwrap().result["reason"], json!("dataset_too_small"));
        assert_eq!(report.step("process_csv_batch").unwrap().batches, None);
        for (path, code) in [
            ("missing.csv", "FILE_NOT_FOUND"),
            ("../src/lib.rs", "PATH_NOT_ALLOWED"),
            ("malformed.csv", "MALFORMED_ROW"),
        ] {
            let report = world.run("csv_product_inventory_analyzer", &json!({"csv_file_path": path})).await;
            assert_eq!(report.state, TaskState::BlockedByFailures, "{world}");
            assert_eq!(report.step("analyze_csv").unwrap().error.as_ref().unwrap().code(), code);
        }
    }
}

#[tokio::test]
async fn a_decision_chooses_between_two_batches() {
    for world in World::on_both(|builder| builder.template_directory(templates())).await {
        for (numbers, taken, skipped, total) in [
            (
                json!([1, 2, 3, 4, 6, 8, 10]),
                "even",
                "odd",
                json!({"total_processed": 5, "total_sum": 30, "batch_count": 3}),
            ),
            (
                json!([1, 3, 5, 2]),
                "odd",
                "even",
                json!({"total_processed": 3, "total_sum": 9, "batch_count": 2}),
            ),
            (json!([]), "even", "odd", json!({"total_processed": 0, "total_sum": 0, "batch_count": 0})),
            // 41 numbers: more than ten batches of two, so the batches grow.
            (
                json!(vec![7; 41]),
                "odd",
                "even",
                json!({"total_processed": 41, "total_sum": 287, "batch_count": 10}),
            ),
        ] {
            let report = world.run("diamond_decision_batch_processor", &json!({"numbers": numbers})).await;
            assert_eq!(report.state, TaskState::Complete, "{world} {:?}", report.cause);
            assert_eq!(report.result[format!("aggregate_{taken}_results")], total, "{world} {numbers}");
            assert_eq!(report.result[format!("aggregate_{skipped}_results")], Value::Null);
            let states = states(&report);
            assert_eq!(states[&*format!("process_{skipped}_batch")], StepState::Skipped);
            assert_eq!(states[&*format!("process_{taken}_batch")], StepState::Complete);
        }
    }
}

#[tokio::test]
async fn what_is_made_to_fail_fails_as_it_says() {
    for world in World::on_both(|builder| builder.template_directory(templates())).await {
        for (name, state, attempts, code) in [
            ("fail_n_times", TaskState::Complete, 3, ""),
            ("always_fail", TaskState::BlockedByFailures, 3, "INJECTED"),
            ("permanent_fail", TaskState::BlockedByFailures, 1, "INJECTED"),
            ("panic_once", TaskState::Complete, 2, ""),
            ("sleep_past_timeout", TaskState::BlockedByFailures, 2, "TIMEOUT"),
        ] {
            let report = world.run(name, &json!({})).await;
            let step = report.step(name).unwrap();
            let code_found = step.error.as_ref().map_or("", StepError::code);
            assert_eq!((report.state, step.attempts, code_found), (state, attempts, code), "{world} {name}");
        }
        let report = world.run("checkpoint_fail_batch", &json!({})).await;
        let part = json!({"processed": 100, "sum": 4950, "resumed_from": 50, "attempt": 2});
        assert_eq!(report.result, json!([part]), "{world}");
    }
}

#[tokio::test]
async fn an_unknown_route_fails_for_good_with_the_valid_names_and_an_operator_can_choose() {
    for world in World::on_both(|builder| builder.template(batch_world::nested())).await {
        for (route, says) in [
            ("bt_lefft", "which is no step; its routes are bt_left, bt_inner; did you mean `bt_left`?"),
            (
                "bt_deep",
                "which is a step but does not depend on it directly; its routes are bt_left, bt_inner",
            ),
        ] {
            let report = world.run("nested", &json!({"outer": [route], "inner": []})).await;
            assert_eq!(report.state, TaskState::BlockedByFailures, "{world}");
            let step = report.step("bt_outer").unwrap();
            let error = step.error.as_ref().unwrap();
            assert_eq!((error.code(), error.is_retryable(), step.attempts), ("INVALID_OUTCOME", false, 1));
            assert!(error.message().contains(says), "{error}");

            let wrong = Command::Resolve {
                step: "bt_outer".to_owned(),
                result: text(&json!({"routes": ["nowhere"]})),
            };
            let refused = world.tasker.operate(report.task_id, &wrong).await.unwrap_err().to_string();
            assert!(refused.contains("`nowhere`, which is no step"), "{refused}");
            let right = Command::Resolve {
                step: "bt_outer".to_owned(),
                result: text(&json!({"routes": ["bt_left"]})),
            };
            world.tasker.operate(report.task_id, &right).await.unwrap();
            let report = settled(&world.tasker, report.task_id).await;
            assert_eq!((report.state, &report.result), (TaskState::Complete, &json!("left")), "{world}");
        }
    }
}

#[tokio::test]
async fn decisions_nest_and_may_take_nothing() {
    for world in World::on_both(|builder| builder.template(batch_world::nested())).await {
        for (outer, inner, result, skipped) in [
            (json!(["bt_left"]), json!([]), json!("left"), &["bt_inner", "bt_deep"][..]),
            (json!(["bt_inner"]), json!(["bt_deep"]), json!("deep"), &["bt_left"]),
            (json!(["bt_left", "bt_inner"]), json!(["bt_deep"]), json!("left deep"), &[]),
            (json!(["bt_inner"]), json!([]), Value::Null, &["bt_left", "bt_deep", "bt_end"]),
            (json!([]), json!([]), Value::Null, &["bt_left", "bt_inner", "bt_deep", "bt_end"]),
        ] {
            let report = world.run("nested", &json!({"outer": outer, "inner": inner})).await;
            assert_eq!((report.state, &report.result), (TaskState::Complete, &result), "{world}");
            for (name, state) in states(&report) {
                assert_eq!(state == StepState::Skipped, skipped.contains(&name), "{world} {outer} {name}");
            }
        }
        let reason = &world.run("nested", &json!({"outer": [], "inner": []})).await.steps[0].result["reason"];
        assert_eq!(*reason, json!("nobody chose"));
    }
}

#[tokio::test]
async fn no_more_batches_run_at_once_than_the_template_says() {
    for world in World::on_both(|builder| builder.template(template("bounded", "bt_meet", 3, FailFast))).await
    {
        let report = world.run("bounded", &Cut::of(9)).await;
        assert_eq!(report.state, TaskState::Complete, "{world} {:?}", report.cause);
        assert_eq!(SLOW.most(), 3, "{world}");
        assert_eq!(report.result["results"].as_array().unwrap().len(), 9);
    }
}

#[tokio::test]
async fn the_first_failure_of_fail_fast_cancels_the_rest_and_a_retry_takes_it_up() {
    for world in World::on_both(|builder| builder.template(template("fast", "bt_work", 1, FailFast))).await {
        let report = world.run("fast", &Cut::of(5).failing(&["002"])).await;
        assert_eq!(report.state, TaskState::BlockedByFailures, "{world}");
        let batches = report.step("bt_work").unwrap().batches.unwrap();
        assert_eq!(batches.to_string(), "1 of 5 batches complete, 1 failed, 3 left out");
        let states = states(&report);
        assert_eq!((states["bt_work"], states["bt_work_002"]), (StepState::Error, StepState::Error));
        assert_eq!((states["bt_work_005"], states["bt_end"]), (StepState::Cancelled, StepState::Pending));

        world.tasker.operate(report.task_id, &retry()).await.unwrap();
        let report = settled(&world.tasker, report.task_id).await;
        assert_eq!(report.state, TaskState::Complete, "{world} {:?}", report.cause);
        let results: Vec<&Value> =
            report.result["results"].as_array().unwrap().iter().map(|part| &part[0]).collect();
        assert_eq!(results, ["001", "002", "003", "004", "005"]);
        assert_eq!(report.step("bt_work_002").unwrap().attempts, 2);
        assert_eq!(report.step("bt_work_001").unwrap().attempts, 1);
    }
}

#[tokio::test]
async fn a_failed_batch_can_be_resolved_or_left_out_and_the_rest_goes_on() {
    for world in World::on_both(|builder| builder.template(template("fast", "bt_work", 1, FailFast))).await {
        let step = || "bt_work_002".to_owned();
        let resolve = Command::Resolve { step: step(), result: text(&json!({"start": 0, "items": 99})) };
        for (command, items) in
            [(resolve, json!([10, 99, 10])), (Command::Skip { step: step() }, json!([10, 10]))]
        {
            let report = world.run("fast", &Cut::of(3).failing(&["002"])).await;
            world.tasker.operate(report.task_id, &command).await.unwrap();
            let report = settled(&world.tasker, report.task_id).await;
            assert_eq!(report.state, TaskState::Complete, "{world} {:?}", report.cause);
            assert_eq!(report.result["items"], items, "{world} {command:?}");
        }
        let report = world.run("fast", &Cut::of(3).failing(&["002"])).await;
        let whole = |result: Value| Command::Resolve { step: "bt_work".to_owned(), result: text(&result) };
        let refused = world.tasker.operate(report.task_id, &whole(json!(7))).await.unwrap_err().to_string();
        assert!(refused.contains("must be an array with the result of each batch"), "{refused}");
        world.tasker.operate(report.task_id, &whole(json!([{"start": 0, "items": 1}]))).await.unwrap();
        let report = settled(&world.tasker, report.task_id).await;
        assert_eq!((report.state, &report.result["items"]), (TaskState::Complete, &json!([1])), "{world}");
    }
}

#[tokio::test]
async fn batches_that_may_fail_leave_a_list_of_failures() {
    let both = |builder: tasker_runtime::api::Builder| {
        builder
            .template(template("go_on", "bt_work", 2, ContinueOnFailure))
            .template(template("apart", "bt_work", 2, Isolate))
    };
    for world in World::on_both(both).await {
        for name in ["go_on", "apart"] {
            let report = world.run(name, &Cut::of(4).failing(&["002", "004"])).await;
            assert_eq!(report.state, TaskState::Complete, "{world}");
            assert_eq!(report.cause.as_deref(), Some("failed for good: bt_work_002, bt_work_004"));
            assert_eq!(report.result["failures"], json!([["002", "NO"], ["004", "NO"]]), "{world}");
            assert_eq!(report.result["items"], json!([10, 10]), "the results alone");
            let again = world.tasker.operate(report.task_id, &retry()).await;
            if name == "go_on" {
                let refused = again.unwrap_err().to_string();
                assert!(refused.contains("the task is complete"), "{refused}");
                continue;
            }
            again.unwrap();
            let after = settled(&world.tasker, report.task_id).await;
            assert_eq!(after.state, TaskState::Complete, "{world}");
            assert_eq!(after.step("bt_work_002").unwrap().result["items"], json!(10));
            assert_eq!(after.step("bt_work").unwrap().batches.unwrap().complete, 4);
            assert_eq!(after.result, report.result, "what ran after the batch stays");
            assert_eq!(after.cause, None);
        }
    }
}

#[tokio::test]
async fn wrong_plans_and_workers_fail_with_a_word_about_it() {
    let both = |builder: tasker_runtime::api::Builder| {
        builder.template(batch_world::hand_cut()).template(template("fast", "bt_work", 1, FailFast))
    };
    for world in World::on_both(both).await {
        for (plan, says) in [
            (
                json!({"batches": [{"start": 0, "end": 5}, {"start": 9, "end": 5}]}),
                "batch 2 of analyzer `bt_raw` cannot be: it goes from 9 back to 5",
            ),
            (json!({"batches": [{"start": 0, "end": "z"}]}), "which are not of one kind"),
            (json!({"batches": [{"start": 0, "end": 5, "items": 6}]}), "there are 5 items, not 6"),
            (json!({"batches": 5}), "the result of batchable step `bt_raw` must be a `BatchPlan`"),
        ] {
            let report = world.run("hand_cut", &json!({"plan": plan, "items": 0})).await;
            let error = report.step("bt_raw").unwrap().error.clone().unwrap();
            assert_eq!((report.state, error.code()), (TaskState::BlockedByFailures, "INVALID_OUTCOME"));
            assert!(error.message().contains(says), "{world} {error}");
        }
        let plan = json!({"batches": [{"start": "a", "end": "m", "items": 3}]});
        let report = world.run("hand_cut", &json!({"plan": plan, "items": 4})).await;
        let error = report.step("bt_raw_work_001").unwrap().error.clone().unwrap();
        assert!(error.message().contains("has worked on 4 items of a batch that has 3"), "{error}");
        let report = world.run("hand_cut", &json!({"plan": plan, "items": 3})).await;
        assert_eq!((report.state, &report.result), (TaskState::Complete, &json!([["a", "m", 3]])), "{world}");

        let report = world.run("fast", &Cut { size: 0, ..Cut::of(1) }).await;
        let error = report.step("bt_cut").unwrap().error.clone().unwrap();
        assert_eq!(error.code(), "INVALID_PLAN", "{error}");
        let report = world.run("fast", &Cut::of(1).saving(99)).await;
        let error = report.step("bt_work_001").unwrap().error.clone().unwrap();
        assert_eq!(error.code(), "CHECKPOINT_OUT_OF_RANGE", "{error}");
    }
}

#[tokio::test]
async fn a_template_that_does_not_fit_its_handlers_does_not_start() {
    let database = support::fresh_sqlite();
    let started = Tasker::builder().database(&database.url).template(batch_world::unfit()).start().await;
    let problem = started.err().unwrap().to_string();
    for says in [
        "handler `bt_outer` at ",
        "has `#[decision]`, but the step is of type `standard`",
        "write `type: decision` in the template",
    ] {
        assert!(problem.contains(says), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_in_the_middle_of_a_batch_costs_nothing_that_was_saved() {
    for database in support::databases().await {
        let gate = failing::gate();
        let [clock, later] = clocks();
        let first = World::apart(&database, template("crash", "bt_gated", 2, FailFast), clock);
        let cut = Cut::of(4).gated(gate);
        let task = first.submit("crash", &cut);
        // Both that may run have saved half of their batch and stand still.
        failing::wait_for(gate, 2).await;
        first.crash().await;
        failing::open(gate);

        let second = World::over(&database, template("crash", "bt_gated", 2, FailFast), later).await;
        let report = settled(&second, task).await;
        assert_eq!(report.state, TaskState::Complete, "{database} {:?}", report.cause);
        let resumed: Vec<&Value> =
            report.result["results"].as_array().unwrap().iter().map(|part| &part[1]["resumed"]).collect();
        assert_eq!(resumed, [5, 15, 20, 30], "{database}");
        assert_eq!(report.result["items"], json!([10, 10, 10, 10]));
        second.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_lease_cannot_save_over_the_progress_of_others() {
    for database in support::databases().await {
        let gate = failing::gate();
        let [clock, later] = clocks();
        let first = World::over(&database, template("stale", "bt_gated", 1, FailFast), clock).await;
        let submission = Submission::to("stale").context(&Cut::of(1).gated(gate)).unwrap();
        let task = first.submit(submission).await.unwrap();
        failing::wait_for(gate, 1).await;

        // Another process takes the worker for dead; the first call still runs.
        let second = World::over(&database, template("stale", "bt_gated", 1, FailFast), later).await;
        failing::wait_for(gate, 2).await;
        failing::open_one(gate);
        let refused = failing::refused(gate).await;
        assert_eq!((refused.code(), refused.is_retryable()), ("LEASE_LOST", true), "{database} {refused}");
        failing::open(gate);
        let report = settled(&second, task).await;
        assert_eq!(report.state, TaskState::Complete, "{database} {:?}", report.cause);
        assert_eq!(report.result["items"], json!([10]));
        second.stop().await.unwrap();
        first.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_a_batch_on_loan_again_cannot_save_over_its_own_progress() {
    for database in support::databases().await {
        let gate = failing::gate();
        let shop = stores::World::on(database);
        let template = template("again", "bt_gated", 1, FailFast);
        let bare = shop.builder(&[]).registry(Registry::of(Vec::<Registration>::new())).partial(true);
        let bare = bare.template(template.clone()).start().await.unwrap();
        let submission = Submission::to("again").context(&Cut::of(1).gated(gate)).unwrap();
        let task = bare.submit(submission).await.unwrap();
        let able = shop.builder(&[]).registry(Registry::discover()).template(template);
        let _able = able.start().await.unwrap();
        let lent = "select count(*) from tasker.offers where handler = 'bt_gated' and taker is not null";
        let taken = || async {
            shop.clock.advance(Duration::from_millis(200));
            (shop.count(lent).await == 1).then_some(())
        };
        eventually("the loan", taken).await;
        failing::wait_for(gate, 1).await;

        // Another process has taken this one for dead, which does not know yet and takes what it had.
        shop.change("update tasker.offers set taker = null").await;
        eventually("the second loan", taken).await;
        failing::wait_for(gate, 2).await;
        failing::open_one(gate);
        let refused = failing::refused(gate).await;
        assert_eq!(
            (refused.code(), refused.is_retryable()),
            ("LEASE_LOST", true),
            "{}: {refused}",
            shop.database
        );
        failing::open(gate);
        let over = || async {
            shop.clock.advance(Duration::from_millis(200));
            let report = bare.show(task).await.unwrap().unwrap();
            report.state.is_final().then_some(report)
        };
        let report = eventually("the end of the task", over).await;
        assert_eq!(report.state, TaskState::Complete, "{} {:?}", shop.database, report.cause);
        let work = report.steps.iter().find(|step| step.name == "bt_gated_001").unwrap();
        assert_eq!(work.attempts, 1, "{}", shop.database);
    }
}

#[tokio::test]
async fn ten_thousand_batches_run_under_one_analyzer() {
    let count = if support::quick() { 1_000 } else { 10_000 };
    for world in
        World::on_both(|builder| builder.template(template("many", "bt_work", 10_000, FailFast))).await
    {
        let report = world.run("many", &Cut::of(count)).await;
        assert_eq!(report.state, TaskState::Complete, "{world} {:?}", report.cause);
        let results = report.result["results"].as_array().unwrap();
        assert_eq!(results.len(), usize::try_from(count).unwrap());
        let starts: Vec<u64> = results.iter().map(|part| part[1]["start"].as_u64().unwrap()).collect();
        assert!(starts.is_sorted(), "{world}");
    }
}
