//! What is found at start about handlers that undo others, in the words that a user reads.
#![allow(clippy::unwrap_used, clippy::panic)]

use tasker_template::{OnFailure, Step, Template};

use crate::handler::{HandlerSpec, Registration, State, States, StepHandler, TaskSequenceStep};
use crate::model::{Json, StepError};
use crate::registry::Registry;
use crate::{handlers, step_handler};

#[step_handler(name = "undo_reserve")]
async fn reserve(pieces: u64) -> u64 {
    pieces
}

#[step_handler(name = "undo_charge", namespace = "undo")]
async fn charge(#[depends_on(reserve)] pieces: u64) -> String {
    pieces.to_string()
}

struct Prices;

#[step_handler(name = "undo_refund")]
#[compensates(charge)]
async fn refund(
    #[depends_on(charge)] charged: String,
    #[depends_on(reserve)] _pieces: u64,
    _prices: State<Prices>,
) -> String {
    charged
}

#[step_handler(name = "undo_refund_again")]
#[compensates(charge)]
async fn refund_again() {}

#[step_handler(name = "undo_early")]
#[compensates(reserve)]
async fn early(#[depends_on("undo_charge")] charged: String) -> String {
    charged
}

struct ByHand;

impl StepHandler for ByHand {
    fn name(&self) -> &str {
        "undo_by_hand"
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        step.output("undone")
    }

    fn spec(&self) -> HandlerSpec {
        HandlerSpec::new().compensates("undo_reserv")
    }
}

fn shop(on_failure: OnFailure) -> Template {
    let steps = [Step::new("undo_reserve"), Step::new("undo_charge").after(["undo_reserve"])];
    let shop = Template::builder("shop").namespace("undo").on_failure(on_failure);
    steps.into_iter().fold(shop, |all, step| all.step(step)).build().unwrap()
}

fn problems(registry: &Registry, template: &Template, states: &States) -> Vec<String> {
    registry.check([template], states).problems.iter().map(ToString::to_string).collect()
}

fn prices() -> States {
    let mut states = States::default();
    states.insert(Prices);
    states
}

#[test]
fn what_undoes_a_handler_is_found_and_is_no_step() {
    let registry = Registry::of(handlers![reserve, charge, refund]);
    let charged = registry.find("undo", "undo_charge").unwrap();
    assert_eq!(registry.compensation_of(charged).unwrap().key(), "undo_refund");
    assert!(registry.compensation_of(registry.find("undo", "undo_reserve").unwrap()).is_none());
    assert_eq!(
        registry.find("undo", "undo_refund").unwrap_err().to_string(),
        "`undo_refund` compensates `undo.undo_charge` and is called when that is undone: a step cannot call it"
    );
    assert_eq!(problems(&registry, &shop(OnFailure::Compensate), &prices()), [""; 0]);
}

#[test]
fn two_that_undo_one_handler_are_named_with_their_places() {
    let registry = Registry::of(handlers![reserve, charge, refund, refund_again]);
    let [problem] = &*problems(&registry, &shop(OnFailure::Block), &prices()) else { panic!() };
    assert!(
        problem.starts_with("handler `undo.undo_charge` is compensated by two: `undo_refund` at "),
        "{problem}"
    );
    assert!(problem.contains("compensation_tests.rs:"), "{problem}");
    assert!(problem.contains(" and `undo_refund_again` at "), "{problem}");
}

#[test]
fn undoing_a_handler_that_is_not_there_is_a_mistake() {
    let by_hand = Registration::new(&ByHand, "hand.rs", 7, "hand");
    let registry = Registry::of(handlers![reserve, charge].into_iter().chain([by_hand]));
    assert_eq!(
        problems(&registry, &shop(OnFailure::Block), &prices()),
        ["`undo_by_hand` at hand.rs:7 compensates `undo_reserv`, and no handler is called so; did you mean \
          `undo_reserve`?"]
    );
}

#[test]
fn what_undoes_a_step_reads_only_what_came_before_it_and_has_its_state() {
    let registry = Registry::of(handlers![reserve, charge, refund, early]);
    let found = problems(&registry, &shop(OnFailure::Compensate), &States::default());
    let [state, wired] = {
        let mut found = found;
        found.sort_unstable();
        <[String; 2]>::try_from(found).unwrap()
    };
    assert!(state.starts_with("handler `undo_refund` at ") && state.contains("Prices>`: give it"), "{state}");
    let expected =
        "reads `undo_charge`, which comes after it and has no result by then: take the parameter away";
    assert!(
        wired.contains("step `undo_reserve`: handler `undo_early` at ") && wired.contains(expected),
        "{wired}"
    );
    assert_eq!(
        problems(&registry, &shop(OnFailure::Block), &States::default()),
        [""; 0],
        "nothing is undone"
    );
}

#[test]
fn asking_for_compensation_where_there_is_none_is_a_mistake() {
    let registry = Registry::of(handlers![reserve, charge]);
    let [problem] = &*problems(&registry, &shop(OnFailure::Compensate), &prices()) else { panic!() };
    assert!(
        problem.starts_with("template `undo/shop` says `on_failure: compensate`, and no handler"),
        "{problem}"
    );
    assert_eq!(problems(&registry, &shop(OnFailure::Fail), &prices()), [""; 0]);
}
