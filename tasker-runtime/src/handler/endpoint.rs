//! What a handler calls, as far as its code says.

use std::time::Duration;

/// An HTTP API that a handler calls: where it is and how calls to it are made.
///
/// `#[api(…)]` writes one. A handler that is written by hand has one as a `static`:
///
/// ```
/// use std::time::Duration;
/// use tasker_runtime::handler::Endpoint;
///
/// static RATES: Endpoint = Endpoint::at("https://rates.example.org/v2")
///     .timeout(Duration::from_secs(5))
///     .headers(&[("Authorization", "Bearer ${RATES_TOKEN}")]);
/// # let _ = RATES;
/// ```
///
/// `${NAME}` in a header stands for the environment variable `NAME`: a secret is named here and never
/// written. What the section `[api.<name>]` of the configuration says, where the endpoint names one, goes
/// before what is said here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub(crate) base_url: Option<&'static str>,
    pub(crate) section: Option<&'static str>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) max_response_bytes: Option<u64>,
}

impl Endpoint {
    const NOWHERE: Self =
        Self { base_url: None, section: None, timeout: None, headers: &[], max_response_bytes: None };

    /// The API at this URL, `http` or `https`, to which paths are appended.
    #[must_use]
    pub const fn at(base_url: &'static str) -> Self {
        Self { base_url: Some(base_url), ..Self::NOWHERE }
    }

    /// The API that the section `[api.<name>]` of the configuration describes.
    #[must_use]
    pub const fn configured(name: &'static str) -> Self {
        Self { section: Some(name), ..Self::NOWHERE }
    }

    /// Lets the section `[api.<name>]`, where there is one, say otherwise.
    #[must_use]
    pub const fn section(mut self, name: &'static str) -> Self {
        self.section = Some(name);
        self
    }

    /// Sets how long a call may take, with everything it waits for. 30 seconds without this.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets headers, names and values, that are sent with every call.
    #[must_use]
    pub const fn headers(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the largest response that is read, in bytes. 8 MiB without this.
    #[must_use]
    pub const fn max_response_bytes(mut self, bytes: u64) -> Self {
        self.max_response_bytes = Some(bytes);
        self
    }
}
