//! The network between workers and a PostgreSQL server: a proxy that lets through what they say, late, or not at
//! all, or cuts them off, which needs no rights; and a wire into a network namespace, which drops packets.

use std::{
    process::Command,
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

use super::super::Outcome;
use super::{Chaos, Fault, server::some_time};

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
    /// One in front of the server on this port, for those who find it at the address `here`.
    pub(crate) async fn to(here: &str, server: u16) -> Outcome<Self> {
        let listener = TcpListener::bind((here, 0)).await?;
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

/// A wire between this network namespace and one of the workers' own, which can be pulled: whatever is sent then is
/// dropped, and nobody is told. Dropping it takes both away.
#[derive(Debug)]
pub(crate) struct Wire {
    namespace: String,
    /// This end of it.
    end: String,
    here: String,
}

impl Wire {
    /// One that lies ready.
    ///
    /// # Errors
    ///
    /// Where this user may not make a namespace.
    pub(crate) fn new() -> Outcome<Self> {
        let process = std::process::id();
        let net = process % 250;
        let wire = Self {
            namespace: format!("tasker-chaos-{process}"),
            end: format!("chaos{net}h"),
            here: format!("10.213.{net}.1"),
        };
        let Self { namespace, end, here } = &wire;
        for command in [
            format!("netns add {namespace}"),
            format!("link add {end} type veth peer name chaos{net}w netns {namespace}"),
            format!("addr add {here}/30 dev {end}"),
            format!("link set {end} up"),
            format!("-n {namespace} addr add 10.213.{net}.2/30 dev chaos{net}w"),
            format!("-n {namespace} link set chaos{net}w up"),
        ] {
            ip(&command).map_err(|problem| {
                format!(
                    "packets are dropped in a network namespace: run this as root, on Linux with iproute2, or \
                     leave out `--packets` ({problem})"
                )
            })?;
        }
        Ok(wire)
    }

    /// The address of this end.
    pub(crate) fn here(&self) -> &str {
        &self.here
    }

    /// Where workers are to run.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // What cannot be taken away goes with the machine.
        let _ = ip(&format!("link del {}", self.end));
        let _ = ip(&format!("netns del {}", self.namespace));
    }
}

fn ip(arguments: &str) -> Outcome<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("ip {arguments}: {}", said.trim()).into()) }
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
    /// Every packet between the workers and the server is dropped for a while, those of new connections too.
    pub(super) async fn drop_packets(&self, random: &mut fastrand::Rng) -> Outcome<()> {
        let wire = self.wire.as_ref().ok_or("there is no wire")?;
        let aimed = self.in_flight(None).await;
        ip(&format!("link set {} down", wire.end))?;
        tokio::time::sleep(some_time(random)).await;
        ip(&format!("link set {} up", wire.end))?;
        self.count(Fault::Packets, &aimed);
        Ok(())
    }

    /// The network is silent for a while, or slow, or cuts all connections, each as often as the others.
    pub(super) async fn storm(&self, random: &mut fastrand::Rng) -> Outcome<()> {
        let weather = self.network.as_ref().ok_or("there is no network")?.weather.clone();
        let aimed = self.in_flight(None).await;
        let time = some_time(random);
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
