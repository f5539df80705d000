//! A request that is approved by nobody, a manager, or a manager and finance: a decision, and a step that
//! waits for whichever of its branches were taken.

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

use crate::money::Money;

const MANAGER_FROM: Money = Money::whole(1_000);
const FINANCE_FROM: Money = Money::whole(5_000);

/// The context, and what `validate_request` returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    amount: Money,
    requester: String,
    purpose: String,
}

/// What every approval returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Approval {
    approved_by: String,
    amount: Money,
}

/// What comes of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outcome {
    approved: bool,
    final_amount: Money,
    requester: String,
    purpose: String,
    approval_chain: Vec<String>,
    approval_path: String,
}

/// Refuses what nobody could approve.
///
/// # Errors
///
/// Permanent `INVALID_AMOUNT` and `MISSING_CONTEXT_FIELD`.
#[step_handler]
pub async fn validate_request(request: Request) -> Result<Request, StepError> {
    if request.amount <= Money::ZERO {
        let message = format!("`amount` must be above 0, not {}", request.amount);
        return Err(StepError::permanent("INVALID_AMOUNT", message));
    }
    for (name, text) in [("requester", &request.requester), ("purpose", &request.purpose)] {
        if text.trim().is_empty() {
            return Err(StepError::permanent("MISSING_CONTEXT_FIELD", format!("`{name}` is empty")));
        }
    }
    Ok(request)
}

/// Below 1,000 nobody is asked, from 5,000 on finance looks too.
#[step_handler]
#[decision(routes = [auto_approve, manager_approval, finance_review])]
pub async fn routing_decision(#[depends_on(validate_request)] request: Request) -> Decision {
    if request.amount < MANAGER_FROM {
        Decision::route([auto_approve])
    } else if request.amount < FINANCE_FROM {
        Decision::route([manager_approval])
    } else {
        Decision::route([manager_approval, finance_review])
    }
}

/// Approves by itself.
#[step_handler]
pub async fn auto_approve(#[depends_on(validate_request)] request: Request) -> Approval {
    Approval { approved_by: "auto".to_owned(), amount: request.amount }
}

/// The manager approves.
#[step_handler]
pub async fn manager_approval(#[depends_on(validate_request)] request: Request) -> Approval {
    Approval { approved_by: "manager".to_owned(), amount: request.amount }
}

/// Finance approves.
#[step_handler]
pub async fn finance_review(#[depends_on(validate_request)] request: Request) -> Approval {
    Approval { approved_by: "finance".to_owned(), amount: request.amount }
}

/// Gathers the approvals that were asked for.
#[step_handler]
pub async fn finalize_approval(
    #[depends_on(validate_request)] request: Request,
    #[depends_on(auto_approve)] auto: Option<Approval>,
    #[depends_on(manager_approval)] manager: Option<Approval>,
    #[depends_on(finance_review)] finance: Option<Approval>,
) -> Outcome {
    let approval_path = match (&auto, &finance) {
        (Some(_), _) => "auto",
        (None, None) => "manager_only",
        (None, Some(_)) => "dual_approval",
    };
    let approvals: Vec<Approval> = [auto, manager, finance].into_iter().flatten().collect();
    Outcome {
        approved: approvals.iter().all(|approval| approval.amount == request.amount),
        final_amount: request.amount,
        requester: request.requester,
        purpose: request.purpose,
        approval_chain: approvals.into_iter().map(|approval| approval.approved_by).collect(),
        approval_path: approval_path.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(amount: f64) -> Request {
        serde_json::from_value(json!({"amount": amount, "requester": "ada", "purpose": "a desk"})).unwrap()
    }

    #[tokio::test]
    async fn the_amount_decides_who_is_asked() {
        for (amount, routes) in [
            (0.01, &["auto_approve"][..]),
            (999.99, &["auto_approve"]),
            (1_000.0, &["manager_approval"]),
            (4_999.99, &["manager_approval"]),
            (5_000.0, &["manager_approval", "finance_review"]),
        ] {
            assert_eq!(routing_decision(request(amount)).await.routes(), routes, "{amount}");
        }
        assert_eq!(validate_request(request(0.0)).await.unwrap_err().code(), "INVALID_AMOUNT");
    }
}
