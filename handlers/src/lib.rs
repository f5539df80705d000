//! The example workflows, one file each.
//!
//! `src/NAME.rs` holds the steps of the template `config/tasks/…/NAME.yaml`, or a whole workflow in code. Read them in
//! this order; what a
//! step needs stands in its parameters, and what it returns is its result.

pub mod mathematical_sequence;

pub mod linear_arithmetic;

pub mod diamond_pattern;

pub mod parallel_processing;

pub mod hierarchical_tree;

pub mod complex_dag;

pub mod approval_routing;

pub mod csv_product_inventory_analyzer;

pub mod diamond_decision_batch_processor;

pub mod business_workflow;

pub mod order_processing;

pub mod domain_event_publishing;

pub mod expense_approval;

pub mod nightly_report;

pub mod team_onboarding;

pub mod table_export;

pub mod error_injection;

pub mod money;
pub mod number;
pub mod reference;
