//! The network between workers and a PostgreSQL server: a proxy that lets through what they say, late, or not at
//! all, or cuts them off. It needs no rights that network namespaces would.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
};

use super::super::{Outcome, fleet::LEASE};
use super::{Chaos, Fault};

/// What the network does to all that goes through it.
#[derive(Debug, Default)]
struct Weather {
    /// Nothing is let through, and nobody is told.
    silent: AtomicBool,
    /// So many milliseconds late.
    late: AtomicU64,
    /// Cuts every connection there is.
    cut: Notify,
}

/// A network between workers and the server.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    weather: Arc<Weather>,
    port: u16,
}

impl Network {
    /// One in front of the server on this port.
    pub(crate) async fn to(server: u16) -> Outcome<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let weather = Arc::<Weather>::default();
        let network = Self { weather: weather.clone(), port };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let weather = weather.clone();
                tokio::spawn(async move {
                    let cut = weather.cut.notified();
                    let talk = async {
                        let server = TcpStream::connect(("127.0.0.1", server)).await?;
                        let ((from_client, to_client), (from_server, to_server)) =
                            (client.into_split(), server.into_split());
                        tokio::select! {
                            said = carry(from_client, to_server, &weather) => said,
                            said = carry(from_server, to_client, &weather) => said,
                        }
                    };
                    tokio::select! {
                        // Either end may go: the other one is closed then.
                        _ = talk => {}
                        () = cut => {}
                    }
                });
            }
        });
        Ok(network)
    }

    /// Where workers find the server.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, weather: &Weather) -> std::io::Result<()> {
    let mut said = vec![0; 1 << 16];
    loop {
        let length = from.read(&mut said).await?;
        if length == 0 {
            return Ok(());
        }
        let late = weather.late.load(Ordering::Relaxed);
        if late > 0 {
            tokio::time::sleep(Duration::from_millis(late)).await;
        }
        while weather.silent.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        to.write_all(&said[..length]).await?;
    }
}

impl Chaos {
    /// The network is silent for a while, or slow, or cuts all connections, each as often as the others.
    pub(super) async fn storm(&self, random: &mut fastrand::Rng) -> Outcome<()> {
        let weather = self.network.as_ref().ok_or("there is no network")?.weather.clone();
        let aimed = self.in_flight(None).await;
        let time = Duration::from_millis(match random.u32(..5) {
            0 => LEASE * 1_000 + 500,
            _ => random.u64(200..1_500),
        });
        match random.u32(..3) {
            0 => {
                weather.silent.store(true, Ordering::Relaxed);
                tokio::time::sleep(time).await;
                if random.bool() {
                    // What was said meanwhile never arrives.
                    weather.cut.notify_waiters();
                }
                weather.silent.store(false, Ordering::Relaxed);
            }
            1 => {
                weather.late.store(random.u64(20..300), Ordering::Relaxed);
                tokio::time::sleep(time).await;
                weather.late.store(0, Ordering::Relaxed);
            }
            _ => weather.cut.notify_waiters(),
        }
        self.count(Fault::Network, &aimed);
        Ok(())
    }
}
