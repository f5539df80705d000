//! Binds the address, accepts connections and drains them.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream, lookup_host},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Options, Service,
    auth::{Auth, Tokens},
    pace::{Pace, Paced, Routed},
    rest,
};
use crate::{api::Tasker, store};

/// So many connections are open at once; further ones wait to be accepted.
const CONNECTIONS: usize = 1024;
/// More headers than this are refused before they are read.
const HEADERS: usize = 128;
/// So many bytes of a request are held that are not read yet.
const BUFFER: usize = 64 << 10;
/// How long requests in flight have once the server stops.
const LAST: Duration = Duration::from_secs(5);
/// The pause after a connection could not be accepted, for lack of file descriptors as a rule.
const PAUSE: Duration = Duration::from_millis(50);

/// Why nothing is served at an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The text names no address.
    #[error("`{address}` is not an address to listen on: write one like 127.0.0.1:8081")]
    NotAnAddress {
        /// The text.
        address: String,
    },
    /// Whoever reaches the address is asked who they are, and nobody could say so.
    #[error("{address} can be reached from other machines, and there is no key by which to know who asks")]
    NoKeys {
        /// The address.
        address: SocketAddr,
    },
    /// What is said of tokens cannot be.
    #[error("{problem}")]
    Tokens {
        /// What is wrong, with the name of the setting.
        problem: String,
    },
    /// The database cannot be asked whether there are keys.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Another program listens there.
    #[error("another program listens on {address} already")]
    Taken {
        /// The address.
        address: SocketAddr,
    },
    /// The system refuses.
    #[error("cannot listen on {address}: {source}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A server that has its address and serves once it is told to.
///
/// ```
/// use tasker_runtime::{Tasker, config::Config, server::{Options, Server}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// let tasker = Tasker::builder().database("sqlite::memory:").auto_discover(false).start().await?;
/// let server = Server::bind("127.0.0.1:0", Options::of(&Config::default())).await?;
/// assert!(server.address().ip().is_loopback());
/// // Serves until the future ends: here it has ended already.
/// server.serve(&tasker, async {}).await;
/// tasker.stop().await?;
///
/// // From elsewhere nobody is served who shows no key, and so far there is none.
/// let tasker = Tasker::builder().database("sqlite::memory:").auto_discover(false).start().await?;
/// let exposed = Server::bind("0.0.0.0:0", Options::of(&Config::default())).await?;
/// assert!(exposed.check(&tasker).await.is_err());
/// # Ok(())
/// # }
/// ```
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    options: Options,
    tokens: Option<Tokens>,
}

impl Server {
    /// Takes an address like `127.0.0.1:8081`; port 0 stands for any that is free. On an address that can be reached
    /// from other machines everybody is asked who they are, whether there are keys or not.
    ///
    /// # Errors
    /// When the address is none, is taken or is not this machine's, or the settings of tokens cannot be.
    pub async fn bind(address: &str, options: Options) -> Result<Self, BindError> {
        let tokens = Tokens::of(&options.config).map_err(|problem| BindError::Tokens { problem })?;
        let none = || BindError::NotAnAddress { address: address.to_owned() };
        let found: Vec<SocketAddr> = lookup_host(address).await.map_err(|_| none())?.collect();
        let address = *found.first().ok_or_else(none)?;
        let listener = TcpListener::bind(address).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::Taken { address },
            _ => BindError::Refused { address, source },
        })?;
        let address = listener.local_addr().map_err(|source| BindError::Refused { address, source })?;
        Ok(Self { listener, address, options, tokens })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether anybody could be served: on an address that can be reached from other machines, those who show a key.
    ///
    /// # Errors
    /// When there is no key so far, or the database does not answer.
    pub async fn check(&self, tasker: &Tasker) -> Result<(), BindError> {
        match self.is_exposed() && self.tokens.is_none() && tasker.keys().list(None, 1).await?.is_empty() {
            true => Err(BindError::NoKeys { address: self.address }),
            false => Ok(()),
        }
    }

    /// Whether other machines can reach the address.
    fn is_exposed(&self) -> bool {
        !self.address.ip().to_canonical().is_loopback()
    }

    /// Serves what `tasker` does until `stop` ends. Then it says that it is not ready and serves as before for as
    /// long as [`Options::drain_delay`] says; then it takes no further connection, answers those who wait for tasks
    /// as things stand, and gives requests in flight 5 s. When it returns nothing of it is left.
    pub async fn serve(self, tasker: &Tasker, stop: impl Future<Output = ()>) {
        let exposed = self.is_exposed();
        let Self { listener, options, tokens, .. } = self;
        let drain_delay = options.drain_delay;
        let service = Service::new(tasker.clone(), options, Auth::new(exposed, tokens));
        let router = rest::router(service.clone());
        let mut probing = JoinSet::new();
        probing.spawn(service.clone().probe());
        probing.spawn(service.clone().look_at_tasks());
        let mut end = pin!(async {
            stop.await;
            service.drain();
            sleep(drain_delay).await;
        });
        let (mut open, graceful) = (JoinSet::new(), GracefulShutdown::new());
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut end => break,
                accepted = accept(&listener, &room) => accepted,
            };
            while open.try_join_next().is_some() {}
            match accepted {
                Some((stream, peer, place)) => {
                    let connection = graceful.watch(connection(stream, peer, &router));
                    open.spawn(async move {
                        // What fails here is the connection of one client, who knows.
                        let _ = connection.await;
                        drop(place);
                    });
                }
                None => sleep(PAUSE).await,
            }
        }
        drop(listener);
        service.0.closing.cancel();
        let _ = timeout(LAST, graceful.shutdown()).await;
        open.shutdown().await;
        probing.shutdown().await;
    }
}

/// The next connection and whose it is, once there is room for it; `None` when the system could not give one.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, IpAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = room.clone().acquire_owned().await.ok()?;
    let (stream, peer) = listener.accept().await.ok()?;
    // Answers are sent whole: waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    Some((stream, peer.ip().to_canonical(), place))
}

fn connection(
    stream: TcpStream,
    peer: IpAddr,
    router: &Router,
) -> http1::Connection<TokioIo<Paced<TcpStream>>, Routed> {
    let pace = Arc::new(Pace::default());
    let routed = Routed::new(router.clone(), peer, pace.clone());
    http1::Builder::new()
        .timer(TokioTimer::new())
        // How long a head may take is a matter of the stream below.
        .header_read_timeout(None)
        .max_headers(HEADERS)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(Paced::new(stream, pace)), routed)
}
