//! Decisions as enums in every form.
#![deny(warnings, missing_docs, unused, missing_debug_implementations, clippy::pedantic)]
#![allow(clippy::missing_errors_doc)]

use serde::{Deserialize, Serialize};
use tasker_runtime::handler::{DecisionCapable, Routes as _};
use tasker_runtime::{prelude::*, registry::Registry, testing};

/// Why somebody is asked.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    limit: u128,
}

/// Every form of a variant.
#[derive(Debug, PartialEq, Routes)]
pub enum Path {
    /// Nothing is carried.
    #[route(auto)]
    Auto,
    /// One value, to two steps.
    #[route(manager, self::finance)]
    Dual(Reason),
    /// Two values.
    #[route(manager)]
    Pair(Reason, u8),
    /// By names, raw ones too.
    #[route(finance)]
    Named {
        /// Raw.
        r#type: String,
        /// May be missing.
        note: Option<String>,
    },
    /// One name.
    #[route(auto)]
    Single {
        /// The same type as that of another variant.
        reason: Reason,
    },
    /// An option of a type that another variant carries.
    #[route(auto)]
    Bytes(Vec<u8>),
    /// See there.
    #[route(auto)]
    MaybeBytes(Option<Vec<u8>>),
    /// A step of this name.
    #[route(self::skip)]
    Skip,
    /// To no step.
    #[route(skip = "nothing to do")]
    Nothing,
    /// To no step, without a word.
    #[route(skip)]
    Silent,
}

/// In a `Result`, with an option, above the attribute.
#[decision]
#[step_handler(errors = "permanent")]
pub async fn route(cents: u64) -> Result<Path, std::num::ParseIntError> {
    let three: u64 = "3".parse()?;
    Ok(match cents {
        0 => Path::Nothing,
        _ if cents == three => Path::Single { reason: Reason { limit: u128::MAX } },
        _ => Path::Dual(Reason { limit: 1 }),
    })
}

/// By an alias, below the attribute.
type Choice = Path;

/// Chooses as well.
#[step_handler]
#[decision]
pub async fn route_again(cents: u64) -> Choice {
    if cents == 0 { Path::Auto } else { Path::Skip }
}

/// A branch that reads nothing.
#[step_handler]
pub async fn auto() {}

/// A branch that reads what its route carries.
#[step_handler]
pub async fn manager(
    #[depends_on(route)] reason: Option<Reason>,
    #[depends_on(route)] pair: Option<(Reason, u8)>,
) -> u128 {
    reason.or(pair.map(|pair| pair.0)).map_or(0, |reason| reason.limit)
}

/// A branch that reads all.
#[step_handler]
pub async fn finance(#[depends_on(route)] path: Path) -> bool {
    path == Path::Auto
}

/// A branch of a name that says something else.
#[step_handler]
pub async fn skip(#[depends_on(route)] pair: Option<(Reason, u8)>) -> u8 {
    pair.map_or(0, |pair| pair.1)
}

/// No branch, but reads what one variant carries.
#[step_handler]
pub async fn count(#[depends_on(route)] bytes: Vec<u8>) -> usize {
    bytes.len()
}

workflow!(
    /// Who approves.
    pub approval = [route, auto, manager, finance, skip]
);

/// What `#[decision]` implements.
fn is_decision<D: DecisionCapable>() {}

fn main() -> Result<(), StepError> {
    let names = ["auto", "manager", "finance", "skip"];
    assert_eq!(Path::ROUTES, names);
    let registry = Registry::discover();
    for decision in ["route", "route_again"] {
        let spec = registry.find("default", decision).map(|handler| format!("{:?}", handler.spec().role));
        assert_eq!(spec.as_deref(), Ok(r#"Decision(["auto", "manager", "finance", "skip"])"#));
    }
    is_decision::<route>();

    let reason = |limit| Reason { limit };
    for (path, json) in [
        (Path::Auto, r#"{"routes":["auto"],"data":"Auto"}"#),
        (Path::Dual(reason(1)), r#"{"routes":["manager","finance"],"data":{"Dual":{"limit":1}}}"#),
        (
            Path::Pair(reason(u128::MAX), 7),
            r#"{"routes":["manager"],"data":{"Pair":[{"limit":340282366920938463463374607431768211455},7]}}"#,
        ),
        (
            Path::Named { r#type: "x".to_owned(), note: None },
            r#"{"routes":["finance"],"data":{"Named":{"type":"x","note":null}}}"#,
        ),
        (Path::Single { reason: reason(2) }, r#"{"routes":["auto"],"data":{"Single":{"reason":{"limit":2}}}}"#),
        (Path::MaybeBytes(None), r#"{"routes":["auto"],"data":{"MaybeBytes":null}}"#),
        (Path::Skip, r#"{"routes":["skip"],"data":"Skip"}"#),
        (Path::Nothing, r#"{"routes":[],"reason":"nothing to do","data":"Nothing"}"#),
        (Path::Silent, r#"{"routes":[],"data":"Silent"}"#),
    ] {
        let kept: Path = Json::from_text(json).and_then(|json| json.parse()).expect(json);
        assert_eq!(kept, path, "{json}");
        assert_eq!(Path::of(&path.decision())?, path);
    }

    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let chosen = testing::run_step::<route>().context(&3).await;
        assert_eq!(chosen.result::<Path>()?, Path::Single { reason: reason(u128::MAX) });
        let limit = testing::run_step::<manager>().result_of::<route>(&Path::Single { reason: reason(4) });
        assert_eq!(limit.await.result::<u128>()?, 4);
        let other = testing::run_step::<count>().result_of::<route>(&Path::Nothing).await;
        assert_eq!(other.error().map(StepError::code), Some("OTHER_ROUTE"));
        Ok(())
    })
}
