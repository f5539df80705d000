//! The client that all handlers of a process share.

use std::{
    collections::{BTreeMap, HashMap},
    env, fmt,
    sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_platform_verifier::Verifier;

use super::{
    address::{self, Checked},
    target::Target,
};
use crate::{
    config::{ApiSection, Config, Network, NotANetwork},
    handler::{Endpoint, States},
    model::StepError,
};

/// How long connecting may take; it counts towards the time of the call.
const CONNECT: Duration = Duration::from_secs(10);

/// What every handler with `#[api]` calls through: one pool of connections, one set of limits, one list of
/// networks that may be reached.
///
/// A program has one without asking for it. To use another, pass it as state:
///
/// ```no_run
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// use tasker_runtime::{Tasker, handler::http::ApiClient};
///
/// let client = ApiClient::default().allow("10.0.0.0/8")?;
/// let tasker = Tasker::builder().state(client).start().await?;
/// # Ok(())
/// # }
/// ```
///
/// It uses no proxy: a proxy looks names up by itself, past the check of addresses.
#[derive(Clone)]
pub struct ApiClient(Arc<Inner>);

struct Inner {
    allowed: Arc<[Network]>,
    timeout: Duration,
    max_response_bytes: u64,
    sections: BTreeMap<String, ApiSection>,
    variable: fn(&str) -> Option<String>,
    http: OnceLock<Result<reqwest::Client, String>>,
    /// By the address of their endpoint in memory, where a `static` stays.
    targets: Mutex<HashMap<usize, Arc<Target>>>,
}

impl Default for ApiClient {
    fn default() -> Self {
        Self::new(Inner {
            allowed: [].into(),
            timeout: Duration::from_secs(30),
            max_response_bytes: 8 << 20,
            sections: BTreeMap::new(),
            variable: |name| env::var(name).ok(),
            http: OnceLock::new(),
            targets: Mutex::default(),
        })
    }
}

impl ApiClient {
    fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// What the settings say: the limits and networks of `[api]` and the APIs of `[api.<name>]`.
    #[must_use]
    pub fn configured(config: &Config) -> Self {
        Self::new(Inner {
            allowed: config.settings().api.allowed_networks.clone().into(),
            timeout: config.settings().api.timeout,
            max_response_bytes: config.settings().api.max_response_bytes,
            sections: config.apis().clone(),
            ..Self::default().parts()
        })
    }

    /// The same client, which may also call the addresses of `networks`, private or not: one address or range,
    /// or several with commas between.
    ///
    /// # Errors
    /// Where one of them is not a network.
    pub fn allow(self, networks: &str) -> Result<Self, NotANetwork> {
        let parts = self.parts();
        let allowed = parts.allowed.iter().copied().chain(Network::list(networks)?).collect();
        Ok(Self::new(Inner { allowed, ..parts }))
    }

    /// Its settings, without the connections and endpoints it has gathered since.
    fn parts(&self) -> Inner {
        Inner {
            allowed: self.0.allowed.clone(),
            timeout: self.0.timeout,
            max_response_bytes: self.0.max_response_bytes,
            sections: self.0.sections.clone(),
            variable: self.0.variable,
            http: OnceLock::new(),
            targets: Mutex::default(),
        }
    }

    /// The one that the program gave to its handlers, or else one that the whole process shares.
    pub(crate) fn of(states: &States) -> Self {
        static CLIENT: LazyLock<ApiClient> = LazyLock::new(ApiClient::default);
        states.get::<Self>().map_or_else(|| CLIENT.clone(), |given| (*given).clone())
    }

    /// Checks that calls to `endpoint` can be made: its section and variables are there, its URL and headers are
    /// valid. Connects to nothing.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn check(&self, endpoint: &'static Endpoint) -> Result<(), StepError> {
        self.target(endpoint).map(drop)
    }

    /// The document at an address, of so many bytes at most, by the rules of all calls: only addresses that may be
    /// called, no redirect, within 10 s.
    ///
    /// # Errors
    /// When the address may not be called or does not answer with 200, or the document is too large or no text.
    pub async fn fetch(&self, url: &str, max_bytes: u64) -> Result<String, StepError> {
        /// How long it may take.
        const LIMIT: Duration = Duration::from_secs(10);
        let target = Target::of_url(url, self)?;
        let fetched = async {
            let answer = self.http()?.get(target.base).send().await;
            let mut answer = answer
                .map_err(|error| StepError::retryable("HTTP_UNREACHABLE", error.without_url().to_string()))?;
            if answer.status() != 200 {
                return Err(StepError::retryable(
                    "HTTP_SERVER_ERROR",
                    format!("it answers {}", answer.status()),
                ));
            }
            let mut bytes = Vec::new();
            let broken =
                |error: reqwest::Error| StepError::retryable("HTTP_BROKEN", error.without_url().to_string());
            while let Some(chunk) = answer.chunk().await.map_err(broken)? {
                bytes.extend_from_slice(&chunk);
                if bytes.len() as u64 > max_bytes {
                    return Err(StepError::permanent(
                        "HTTP_TOO_LARGE",
                        format!("it has more than {max_bytes} bytes"),
                    ));
                }
            }
            String::from_utf8(bytes)
                .map_err(|_| StepError::permanent("HTTP_UNEXPECTED_BODY", "it is not UTF-8"))
        };
        let timed_out = |_| StepError::retryable("HTTP_TIMEOUT", "there is no whole answer after 10 s");
        tokio::time::timeout(LIMIT, fetched).await.map_err(timed_out)?
    }

    pub(super) fn target(&self, endpoint: &'static Endpoint) -> Result<Arc<Target>, StepError> {
        let place = std::ptr::from_ref(endpoint).addr();
        let mut targets = self.0.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = targets.get(&place) {
            return Ok(target.clone());
        }
        let target = Arc::new(Target::resolve(endpoint, self)?);
        targets.insert(place, target.clone());
        Ok(target)
    }

    pub(super) fn http(&self) -> Result<&reqwest::Client, StepError> {
        let checked = || Checked { allowed: self.0.allowed.clone(), lookup: address::system };
        let made = self.0.http.get_or_init(|| http(checked()));
        made.as_ref().map_err(|why| {
            StepError::retryable("HTTP_UNAVAILABLE", format!("the HTTP client cannot be made: {why}"))
        })
    }

    pub(super) fn allowed(&self) -> &[Network] {
        &self.0.allowed
    }

    pub(super) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    pub(super) fn max_response_bytes(&self) -> u64 {
        self.0.max_response_bytes
    }

    pub(super) fn sections(&self) -> &BTreeMap<String, ApiSection> {
        &self.0.sections
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.0.variable)(name)
    }
}

impl fmt::Debug for ApiClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sections: Vec<_> = self.0.sections.keys().collect();
        f.debug_struct("ApiClient").field("allowed", &self.0.allowed).field("sections", &sections).finish()
    }
}

fn http(resolver: Checked) -> Result<reqwest::Client, String> {
    let built = reqwest::Client::builder()
        .tls_backend_preconfigured(tls().map_err(|error| error.to_string())?)
        .dns_resolver(Arc::new(resolver))
        // `send.rs` follows redirects, where it can check them, and attempts are the engine's.
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .gzip(true)
        .no_proxy()
        .connect_timeout(CONNECT)
        .user_agent(concat!("tasker/", env!("CARGO_PKG_VERSION")))
        .build();
    built.map_err(|error| error.to_string())
}

/// The same crypto provider that connections to the database use, named here so that nothing depends on
/// what else a program installs.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let config = match Verifier::new(provider) {
        Ok(verifier) => builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
        // A machine without root certificates, such as a bare container.
        Err(_) => {
            builder.with_root_certificates(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
        }
    };
    Ok(config.with_no_client_auth())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn client_can_be_made_on_this_machine() {
        ApiClient::default().http().unwrap();
    }

    #[tokio::test]
    async fn name_that_changes_its_address_is_checked_at_every_connection() {
        use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        static LOOKED_UP: AtomicUsize = AtomicUsize::new(0);
        // An allowed address at first, another one from then on: what a hostile name server would answer.
        let rebinding: address::Lookup = |_| {
            let last = if LOOKED_UP.fetch_add(1, Relaxed) == 0 { 1 } else { 2 };
            Box::pin(async move { Ok(vec![[127, 0, 0, last].into()]) })
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let forbidden = tokio::net::TcpListener::bind(("127.0.0.2", port)).await.unwrap();
        let url = format!("http://rebound.test:{port}/");
        let allowed = Network::list("127.0.0.1").unwrap().into();
        let client = http(Checked { allowed, lookup: rebinding }).unwrap();

        let answer = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let _ = connection.read(&mut [0; 1024]).await.unwrap();
            let text = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            connection.write_all(text).await.unwrap();
        };
        let (first, ()) = tokio::join!(client.get(&url).send(), answer);
        assert_eq!(first.unwrap().status(), 204);
        let second = client.get(&url).send().await.unwrap_err();
        assert_eq!(
            super::super::send::cause::<address::Refused>(&second).unwrap().address,
            IpAddr::from([127, 0, 0, 2])
        );
        assert_eq!(LOOKED_UP.load(Relaxed), 2, "what was checked is what is connected to");
        let came = tokio::time::timeout(Duration::ZERO, forbidden.accept()).await;
        assert!(came.is_err(), "the forbidden address was connected to");
    }
}
