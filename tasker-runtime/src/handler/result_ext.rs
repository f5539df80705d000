//! Codes for errors that have none, where they are passed on with `?`.

use std::error::Error;

use super::returned::said;
use crate::model::StepError;

/// Says on the way out how a failure of others fails the step.
///
/// For any error: those of the standard library, of `anyhow`, boxed ones and plain text. The causes of the
/// error go along as context.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[step_handler]
/// async fn charge(raw: String) -> Result<u64, StepError> {
///     let cents: u64 = raw.parse().permanent("BAD_AMOUNT")?;
///     let rate = std::fs::read_to_string("rates").retryable("NO_RATES")?;
///     Ok(cents * rate.trim().parse::<u64>().permanent("BAD_RATE")?)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let error = charge("ten".to_owned()).await.unwrap_err();
/// assert_eq!((error.code(), error.is_retryable()), ("BAD_AMOUNT", false));
/// # });
/// ```
pub trait ResultExt<T> {
    /// Fails the step at once: no further attempt can mend it.
    ///
    /// # Errors
    /// A permanent one of this code, where this is one.
    fn permanent(self, code: &'static str) -> Result<T, StepError>;

    /// Fails the attempt; another one follows, if any is left.
    ///
    /// # Errors
    /// A retryable one of this code, where this is one.
    fn retryable(self, code: &'static str) -> Result<T, StepError>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> ResultExt<T> for Result<T, E> {
    fn permanent(self, code: &'static str) -> Result<T, StepError> {
        self.map_err(|error| said(&*error.into(), code, false))
    }

    fn retryable(self, code: &'static str) -> Result<T, StepError> {
        self.map_err(|error| said(&*error.into(), code, true))
    }
}

/// Says on the way out how something that is not there fails the step.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[step_handler]
/// async fn ship(address: Option<String>) -> Result<String, StepError> {
///     let to = address.or_permanent("NO_ADDRESS")?;
///     Ok(format!("shipped to {to}"))
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(ship(None).await.unwrap_err().code(), "NO_ADDRESS");
/// # });
/// ```
pub trait OptionExt<T> {
    /// Fails the step at once, where there is nothing.
    ///
    /// # Errors
    /// A permanent one of this code, where there is nothing.
    fn or_permanent(self, code: &'static str) -> Result<T, StepError>;

    /// Fails the attempt, where there is nothing yet; another one follows, if any is left.
    ///
    /// # Errors
    /// A retryable one of this code, where there is nothing.
    fn or_retryable(self, code: &'static str) -> Result<T, StepError>;
}

impl<T> OptionExt<T> for Option<T> {
    fn or_permanent(self, code: &'static str) -> Result<T, StepError> {
        self.ok_or_else(|| StepError::permanent(code, missing::<T>()))
    }

    fn or_retryable(self, code: &'static str) -> Result<T, StepError> {
        self.ok_or_else(|| StepError::retryable(code, missing::<T>()))
    }
}

fn missing<T>() -> String {
    let path = std::any::type_name::<T>();
    let is_plain = !path.contains(['<', '(', '[', '&']);
    let name = path.rsplit("::").next().filter(|_| is_plain).unwrap_or(path);
    format!("there is no `{name}`")
}
