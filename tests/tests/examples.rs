//! The templates of the examples say what their handlers mean.
#![allow(clippy::unwrap_used)]

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use handlers as _;
use serde_json::{Value, json};
use tasker_runtime::{
    StepError,
    handler::{Results, StepParts, TaskData, TaskSequenceStep, Upstream},
    model::Json,
    registry::Registry,
    template::{Options, Template, Verdict, load_file, load_tree},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Every example with its edges: `step < what it depends on`.
const EXAMPLES: [(&str, &str, &str); 18] = [
    (
        "combined",
        "diamond_decision_batch_processor",
        "ddb_diamond_start; branch_evens < ddb_diamond_start; branch_odds < ddb_diamond_start; \
         ddb_routing_decision < branch_evens branch_odds; even_batch_analyzer < ddb_routing_decision; \
         process_even_batch < even_batch_analyzer; aggregate_even_results < process_even_batch; \
         odd_batch_analyzer < ddb_routing_decision; process_odd_batch < odd_batch_analyzer; \
         aggregate_odd_results < process_odd_batch",
    ),
    (
        "conditional_approval",
        "approval_routing",
        "validate_request; routing_decision < validate_request; auto_approve < routing_decision; \
         manager_approval < routing_decision; finance_review < routing_decision; \
         finalize_approval < auto_approve manager_approval finance_review",
    ),
    (
        "csv_processing",
        "csv_product_inventory_analyzer",
        "analyze_csv; process_csv_batch < analyze_csv; aggregate_csv_results < process_csv_batch",
    ),
    (
        "diamond_workflow",
        "diamond_pattern",
        "diamond_start; diamond_branch_b < diamond_start; diamond_branch_c < diamond_start; \
         diamond_end < diamond_branch_b diamond_branch_c",
    ),
    (
        "diamond_workflow",
        "parallel_processing",
        "parallel_start; parallel_branch_b < parallel_start; parallel_branch_c < parallel_start; \
         parallel_end < parallel_branch_b parallel_branch_c",
    ),
    (
        "domain_events",
        "domain_event_publishing",
        "domain_events_validate; domain_events_process_payment < domain_events_validate; \
         domain_events_update_inventory < domain_events_process_payment; \
         domain_events_send_notification < domain_events_update_inventory",
    ),
    (
        "ecommerce",
        "order_processing",
        "validate_cart; process_payment_cart < validate_cart; update_inventory < process_payment_cart; \
         create_order < update_inventory; send_confirmation < create_order",
    ),
    ("error_injection", "always_fail", "always_fail"),
    (
        "error_injection",
        "checkpoint_fail_batch",
        "checkpoint_fail_analyze; checkpoint_fail_batch < checkpoint_fail_analyze; \
         checkpoint_fail_summary < checkpoint_fail_batch",
    ),
    ("error_injection", "fail_n_times", "fail_n_times"),
    ("error_injection", "panic_once", "panic_once"),
    ("error_injection", "permanent_fail", "permanent_fail"),
    ("error_injection", "sleep_past_timeout", "sleep_past_timeout"),
    (
        "linear_workflow",
        "linear_arithmetic",
        "arithmetic_step_1; arithmetic_step_2 < arithmetic_step_1; arithmetic_step_3 < arithmetic_step_2; \
         arithmetic_step_4 < arithmetic_step_3",
    ),
    (
        "linear_workflow",
        "mathematical_sequence",
        "linear_step_1; linear_step_2 < linear_step_1; linear_step_3 < linear_step_2; \
         linear_step_4 < linear_step_3",
    ),
    (
        "mixed_dag_workflow",
        "complex_dag",
        "dag_init; dag_process_left < dag_init; dag_process_right < dag_init; \
         dag_validate < dag_process_left dag_process_right; dag_transform < dag_process_left; \
         dag_analyze < dag_process_right; dag_finalize < dag_validate dag_transform dag_analyze",
    ),
    (
        "order_fulfillment",
        "business_workflow",
        "validate_order; reserve_inventory < validate_order; \
         process_payment < validate_order reserve_inventory; \
         ship_order < validate_order reserve_inventory process_payment",
    ),
    (
        "tree_workflow",
        "hierarchical_tree",
        "tree_root; tree_branch_left < tree_root; tree_branch_right < tree_root; \
         tree_leaf_d < tree_branch_left; tree_leaf_e < tree_branch_left; \
         tree_leaf_f < tree_branch_right; tree_leaf_g < tree_branch_right; \
         tree_final_convergence < tree_leaf_d tree_leaf_e tree_leaf_f tree_leaf_g",
    ),
];

fn templates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tasks")
}

#[test]
fn every_example_is_valid_and_has_its_edges() {
    let root = templates();
    let loaded = load_tree(&root, &Options::default());
    let mut found = Vec::new();
    for file in &loaded {
        assert_eq!(file.report().verdict(), Verdict::Ok, "{}", file.report());
        let template = &file.result.as_ref().unwrap().template;
        let place = format!("{}/{}.yaml", template.namespace(), template.name());
        assert_eq!(file.path, root.join(place), "a template lies where its name says");
        found.push((template.namespace(), template.name(), edges(template)));
    }
    let examples = EXAMPLES.map(|(namespace, name, edges)| (namespace, name, edges.to_owned()));
    assert_eq!(found, examples);
}

/// The steps of a template in its order, each with what it depends on.
fn edges(template: &Template) -> String {
    let steps = template.steps().iter().zip(0..).map(|(step, number)| {
        let names = template
            .dependencies(number)
            .iter()
            .map(|&of| format!(" {}", template.steps()[of as usize].name));
        match names.collect::<String>() {
            none if none.is_empty() => step.name.to_string(),
            names => format!("{} <{names}", step.name),
        }
    });
    steps.collect::<Vec<_>>().join("; ")
}

/// What the steps before have returned.
struct Returned(HashMap<u32, Json>);

impl Results for Returned {
    fn of(&self, step: u32) -> Upstream {
        self.0.get(&step).cloned().map_or(Upstream::Pending, Upstream::Complete)
    }
}

/// Calls the handlers of a template one after the other, as the registry finds them. The results by step name.
async fn call_all(template: &str, context: Value) -> Result<HashMap<String, Value>, StepError> {
    let parsed = load_file(&templates().join(template).with_extension("yaml"), &Options::default()).result;
    let template = Arc::new(parsed.unwrap().template);
    let registry = Registry::discover();
    let id = Uuid::now_v7();
    let context = Json::of(&context).unwrap();
    let facts = TaskData { id, correlation_id: id, template: template.clone(), context, created_at_us: 0 };
    let task = Arc::new(facts);
    let mut returned = HashMap::new();
    for &number in template.order() {
        let step = template.step(number).unwrap();
        let handler = registry.find(template.namespace(), &step.handler.callable).unwrap().handler();
        let call = TaskSequenceStep::new(StepParts {
            task: task.clone(),
            step: number,
            name: step.name.clone(),
            attempt: 1,
            max_attempts: 3,
            results: Arc::new(Returned(returned.clone())),
            compensates: None,
            states: Arc::default(),
            cancel: CancellationToken::new(),
            batch: None,
            events: None,
            rounds: None,
        });
        returned.insert(number, handler.call_boxed(&call).await?);
    }
    let name = |number: u32| template.steps()[number as usize].name.to_string();
    Ok(returned.into_iter().map(|(number, json)| (name(number), json.to_value())).collect())
}

#[tokio::test]
async fn numbers_come_out_exactly() {
    let power = "100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
                 000000000000000000000000000000000";
    for (template, context, last, result) in [
        (
            "linear_workflow/mathematical_sequence",
            json!({"even_number": 6}),
            "linear_step_4",
            json!(2_821_109_907_456_i64),
        ),
        (
            "diamond_workflow/diamond_pattern",
            json!({"even_number": 6}),
            "diamond_end",
            json!(2_821_109_907_456_i64),
        ),
        (
            "tree_workflow/hierarchical_tree",
            json!({"even_number": 2}),
            "tree_final_convergence",
            json!("18446744073709551616"),
        ),
        (
            "mixed_dag_workflow/complex_dag",
            json!({"even_number": 2}),
            "dag_finalize",
            json!("18446744073709551616"),
        ),
        ("mixed_dag_workflow/complex_dag", json!({"even_number": 100}), "dag_finalize", json!(power)),
    ] {
        let results = call_all(template, context).await.unwrap();
        assert_eq!(results[last], result, "{template}");
    }
}

#[tokio::test]
async fn structures_travel_from_step_to_step() {
    let linear = call_all("linear_workflow/linear_arithmetic", json!({})).await.unwrap();
    assert_eq!(linear["arithmetic_step_4"]["final_result"], json!(66));
    assert_eq!(
        linear["arithmetic_step_4"]["workflow_summary"],
        json!({"step_1_executed": true, "step_2_executed": true, "step_3_executed": true, "total_steps": 4})
    );
    let parallel = call_all("diamond_workflow/parallel_processing", json!({"base_value": 10})).await.unwrap();
    assert_eq!(
        parallel["parallel_end"],
        json!({"final_result": 180, "branch_results": {"branch_b": 120, "branch_c": 60}})
    );
}

#[tokio::test]
async fn shops_charge_the_sum_of_the_order() {
    let order = json!({
        "customer": {"id": 1, "email": "ada@example.com"},
        "items": [{"sku": "WIDGET-001", "quantity": 3, "price": 19.99}],
        "payment": {"method": "paypal", "token": "tok_good"},
        "shipping": {"method": "standard", "address": "1 Main Street"},
    });
    let fulfilled = call_all("order_fulfillment/business_workflow", order).await.unwrap();
    assert_eq!(fulfilled["process_payment"]["amount_charged"], json!(59.97));
    assert_eq!(fulfilled["ship_order"]["carrier"], json!("USPS"));

    let cart = json!({
        "cart_items": [{"product_id": 1, "quantity": 2, "price": 50}],
        "payment_token": "tok_good",
        "customer_email": "ada@example.com",
    });
    let ordered = call_all("ecommerce/order_processing", cart).await.unwrap();
    assert_eq!(ordered["create_order"]["total"], json!(108.0));
    assert_eq!(ordered["send_confirmation"]["recipient"], json!("ada@example.com"));
}

#[tokio::test]
async fn declined_payment_of_an_eventful_order_may_be_tried_again() {
    let order = |failure: bool| json!({"order_id": "o-1", "customer_id": "ada", "amount": 9.99, "simulate_failure": failure});
    let done = call_all("domain_events/domain_event_publishing", order(false)).await.unwrap();
    assert_eq!(done["domain_events_process_payment"]["amount"], json!(9.99));
    assert_eq!(done["domain_events_send_notification"]["recipient"], json!("ada"));
    let error = call_all("domain_events/domain_event_publishing", order(true)).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("PAYMENT_DECLINED", true));
}

#[tokio::test]
async fn wrong_numbers_fail_for_good_with_their_code() {
    for (context, code) in [
        (json!({}), "MISSING_CONTEXT_FIELD"),
        (json!({"even_number": 7}), "VALIDATION_ERROR"),
        (json!({"even_number": 102}), "VALIDATION_ERROR"),
    ] {
        let error = call_all("linear_workflow/mathematical_sequence", context).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (code, false));
    }
}
