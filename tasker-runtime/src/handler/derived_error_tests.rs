use std::time::Duration;

use crate::model::StepError;

#[test]
fn error_that_derives_says_for_itself_how_it_fails() {
    #[derive(Debug, thiserror::Error, crate::StepError)]
    #[step_error(retryable)]
    enum Payment {
        #[error("the card was declined: {reason}")]
        #[step_error(permanent, code = "NO_MONEY")]
        Declined { reason: String },
        #[error("no answer")]
        #[step_error(after = "30s")]
        GatewayDown(#[source] std::num::ParseIntError),
    }

    fn declined() -> Result<(), StepError> {
        Err(Payment::Declined { reason: "empty".to_owned() })?
    }

    let error = declined().unwrap_err();
    assert_eq!(error, StepError::permanent("NO_MONEY", "the card was declined: empty"));
    let error = StepError::from(Payment::GatewayDown("x".parse::<u8>().unwrap_err()));
    let wanted = StepError::retryable("GATEWAY_DOWN", "no answer: invalid digit found in string");
    assert_eq!(error, wanted.after(Duration::from_secs(30)));
}
