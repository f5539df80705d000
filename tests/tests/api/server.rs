//! An HTTP server on loopback that does what a test tells it to, good or bad.

use std::{
    collections::HashMap,
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request that came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// By name in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What is done about a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A whole answer: status, headers, body.
    Answer(u16, Vec<(&'static str, Vec<u8>)>, Vec<u8>),
    /// These bytes and then the end of the connection, by a reset.
    Cut(&'static str),
    /// These bytes and then nothing, for ever.
    Stuck(&'static str),
    /// Nothing, for ever.
    Silence,
    /// A body without an end.
    Endless,
    /// A packed body that begins like this and goes on like that for ever.
    Pouring(Vec<u8>, Vec<u8>),
    /// "Go on", for ever.
    Preliminary,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), Vec::new())
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::status(200).body(value.to_string())
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        if let Self::Answer(_, headers, _) = &mut self {
            headers.push((name, value.into()));
        }
        self
    }

    pub(crate) fn body(self, bytes: impl Into<Vec<u8>>) -> Self {
        match self {
            Self::Answer(status, headers, _) => Self::Answer(status, headers, bytes.into()),
            other => other,
        }
    }

    /// The body of so far, packed.
    pub(crate) fn gzip(self) -> Self {
        match self {
            Self::Answer(status, headers, body) => {
                Self::Answer(status, headers, gzipped(&body)).header("Content-Encoding", "gzip")
            }
            other => other,
        }
    }
}

/// The bytes, packed.
pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

type Answers = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

#[derive(Default)]
struct Counts {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    /// Bytes of endless bodies that went out.
    poured: AtomicUsize,
}

/// The server; it stops when this is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    counts: Arc<Counts>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Answers each request as `answers` says, which is told how many came before it.
    pub(crate) async fn start(answers: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let counts = Arc::new(Counts::default());
        let (answers, shared): (Arc<Answers>, _) = (Arc::new(answers), counts.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let (answers, shared) = (answers.clone(), shared.clone());
                // The other end may go away at any time, and often shall.
                tokio::spawn(async move { drop(serve(stream, &*answers, &shared).await) });
            }
        });
        Self { port, counts, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.counts.seen.lock().unwrap().clone()
    }

    /// The only request that came.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn poured(&self) -> usize {
        self.counts.poured.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, answers: &Answers, counts: &Counts) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = read(&mut stream).await? {
        let before = {
            let mut all = counts.seen.lock().unwrap();
            all.push(seen.clone());
            all.len() - 1
        };
        match answers(&seen, before) {
            Reply::Answer(status, headers, body) => {
                let mut bytes = format!("HTTP/1.1 {status} Some Reason\r\n").into_bytes();
                for (name, value) in headers {
                    bytes.extend([name.as_bytes(), b": ", &value, b"\r\n"].concat());
                }
                if !matches!(status, 204 | 304) {
                    bytes.extend(format!("content-length: {}\r\n", body.len()).into_bytes());
                }
                bytes.extend([b"\r\n", body.as_slice()].concat());
                stream.write_all(&bytes).await?;
            }
            Reply::Cut(bytes) => {
                stream.write_all(bytes.as_bytes()).await?;
                stream.flush().await?;
                stream.into_inner().set_zero_linger()?;
                return Ok(());
            }
            Reply::Stuck(bytes) => {
                stream.write_all(bytes.as_bytes()).await?;
                stream.flush().await?;
                std::future::pending::<()>().await;
            }
            Reply::Silence => std::future::pending().await,
            Reply::Endless => {
                let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
                pour(&mut stream, head, chunk.as_bytes(), counts).await?;
            }
            Reply::Pouring(begin, piece) => {
                let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n";
                pour(&mut stream, &[head.as_slice(), &begin].concat(), &piece, counts).await?;
            }
            Reply::Preliminary => pour(&mut stream, b"", b"HTTP/1.1 100 Continue\r\n\r\n", counts).await?,
        }
    }
    Ok(())
}

/// Sends `begin` and then `piece` for as long as somebody takes it.
async fn pour(
    stream: &mut BufReader<TcpStream>,
    begin: &[u8],
    piece: &[u8],
    counts: &Counts,
) -> std::io::Result<()> {
    stream.write_all(begin).await?;
    loop {
        stream.write_all(piece).await?;
        counts.poured.fetch_add(piece.len(), Ordering::Relaxed);
        // A test has one thread, and the other end needs it as well.
        tokio::task::yield_now().await;
    }
}

/// The next request; `None` at the end of the connection.
async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut seen = Seen { method, target, ..Seen::default() };
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        seen.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; seen.header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    seen.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(seen))
}
