//! Drawings of templates and tasks.

use serde_json::{Value, json};
use support::{databases, fresh_sqlite};

use crate::{
    DECLINED,
    ran::{last_task, run},
};

#[test]
fn graph_draws_a_tree_and_a_flowchart() {
    let database = fresh_sqlite();
    let tree = run(&database, &["graph", "diamond_workflow/diamond_pattern"]);
    let expected = "diamond_workflow/diamond_pattern 1.0.0\n\
                    └─ diamond_start\n   \
                       ├─ diamond_branch_b\n   │  \
                       └─ diamond_end (also after diamond_branch_c)\n   \
                       └─ diamond_branch_c\n";
    assert_eq!(tree.out, expected);
    let flowchart = run(&database, &["graph", "diamond_workflow/diamond_pattern", "--form", "mermaid"]);
    let expected = "flowchart TD\n    s0[\"diamond_start\"]\n    s1[\"diamond_branch_b\"]\n    \
                    s2[\"diamond_branch_c\"]\n    s3[\"diamond_end\"]\n    \
                    s0 --> s1\n    s0 --> s2\n    s1 --> s3\n    s2 --> s3\n";
    assert_eq!(flowchart.out, expected);
}

#[test]
fn graph_of_a_task_shows_the_states_of_its_steps() {
    let database = fresh_sqlite();
    run(&database, &["run", "linear_workflow/mathematical_sequence", "--input", r#"{"even_number": 7}"#]);
    let task = last_task(&database);
    let tree = run(&database, &["graph", &task]).out;
    assert!(tree.contains("linear_step_1  ✗ error") && tree.contains("linear_step_4  · pending"), "{tree}");
}

#[test]
fn graph_of_a_template_shows_what_undoes_its_steps() {
    let database = fresh_sqlite();
    let template = "order_fulfillment/business_workflow";
    let tree = run(&database, &["graph", template]).out;
    assert!(tree.contains("reserve_inventory  undone by "), "{tree}");
    let flowchart = run(&database, &["graph", template, "--form", "mermaid"]).out;
    let drawing = run(&database, &["graph", template, "-o", "json"]).json();
    let compensation = &drawing["compensations"][0];
    assert_eq!(compensation["step"], "reserve_inventory");
    let handler = compensation["handler"].as_str().unwrap();
    assert!(tree.contains(&format!("undone by {handler}\n")), "{tree}");
    assert!(flowchart.contains(&format!("    u0([\"{handler}\"])\n    s1 -.-> u0\n")), "{flowchart}");
}

#[tokio::test]
async fn graph_of_a_task_is_data_as_well_with_states_and_the_route_that_was_taken() {
    for database in databases().await {
        let input = r#"{"amount": 100, "requester": "ada", "purpose": "a book"}"#;
        run(&database, &["run", "conditional_approval/approval_routing", "--input", input]);
        let task = last_task(&database);
        let drawing = run(&database, &["graph", &task, "-o", "json"]).json();
        assert_eq!(
            (&drawing["task_id"], &drawing["state"]),
            (&json!(task), &json!("complete")),
            "{database}"
        );
        let nodes = drawing["nodes"].as_array().unwrap();
        assert_eq!(
            nodes[1],
            json!({"name": "routing_decision", "kind": "decision", "handler": "routing_decision", "state": "complete"}),
            "{database}"
        );
        let states: Vec<&Value> = nodes.iter().map(|node| &node["state"]).collect();
        assert_eq!(
            states,
            ["complete", "complete", "complete", "skipped", "skipped", "complete"],
            "{database}"
        );
        let taken: Vec<(&str, &str)> = drawing["edges"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|edge| edge["taken"] == true)
            .map(|edge| (edge["from"].as_str().unwrap(), edge["to"].as_str().unwrap()))
            .collect();
        let route = [
            ("validate_request", "routing_decision"),
            ("routing_decision", "auto_approve"),
            ("auto_approve", "finalize_approval"),
        ];
        assert_eq!(taken, route, "{database}");
        let flowchart = run(&database, &["graph", &task, "--form", "mermaid"]).out;
        for expected in [
            "s1 ==> s2\n",
            "s1 --> s3\n",
            "s2 ==> s5\n",
            "s4 --> s5\n",
            "class s0,s1,s2,s5 complete\n",
            "class s3,s4 skipped\n",
        ] {
            assert!(flowchart.contains(expected), "{database}, {expected}: {flowchart}");
        }
        let template =
            run(&database, &["graph", "conditional_approval/approval_routing", "-o", "json"]).json();
        assert_eq!((&template["task_id"], &template["nodes"][0]["state"]), (&Value::Null, &Value::Null));
    }
}

#[test]
fn graph_of_a_rolled_back_task_says_what_became_of_its_compensations() {
    let database = fresh_sqlite();
    run(&database, &["run", "order_fulfillment/business_workflow", "--input", DECLINED]);
    let drawing = run(&database, &["graph", &last_task(&database), "-o", "json"]).json();
    let compensation = &drawing["compensations"][0];
    assert_eq!(
        (&compensation["name"], &compensation["state"]),
        (&json!("undo reserve_inventory"), &json!("complete"))
    );
}

#[test]
fn show_says_as_data_what_a_task_was_given_and_why_it_stands_where_it_does() {
    let database = fresh_sqlite();
    run(&database, &["run", "order_fulfillment/business_workflow", "--input", DECLINED]);
    let shown = run(&database, &["show", &last_task(&database), "-o", "json"]).json();
    assert_eq!(shown["input"]["payment"]["token"], "tok_declined");
    assert!(shown["cause"].as_str().unwrap().contains("process_payment"), "{shown}");
}
