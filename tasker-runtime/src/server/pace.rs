//! How slow a connection may be.
//!
//! Between two requests nothing may be said for a while, but once a request has begun its head has to come soon, and
//! whoever is answered has to read. A connection that does not keep to that ends; a body that comes slowly is a
//! matter of the one who reads it.

use std::{
    convert::Infallible,
    io::{Error, ErrorKind, IoSlice, Result},
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{
    Request, Response,
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    service::Service,
};
use hyper_util::service::TowerToHyperService;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a new connection may say nothing.
const FIRST: Duration = Duration::from_secs(10);
/// How long a connection may say nothing after an answer.
const IDLE: Duration = Duration::from_secs(75);
/// How long the head of a request may take from its first byte on.
const HEAD: Duration = Duration::from_secs(10);
/// How long whoever is answered may read nothing.
const WRITE: Duration = Duration::from_secs(30);

/// What a connection is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing: the next request has not begun.
    Idle,
    /// The head of a request comes.
    Head,
    /// A request is answered.
    Busy,
}

/// Where a connection is: how often it has moved on, from idle to a head to an answer and back.
#[derive(Debug, Default)]
pub(super) struct Pace(AtomicU64);

impl Pace {
    fn moves(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn phase(moves: u64) -> Phase {
        match moves % 3 {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Busy,
        }
    }

    /// Moves on until the phase is this one. Only the task of the connection, and the end of its answers, do so.
    fn go_to(&self, phase: Phase) {
        let next = |moves: u64| (moves..moves + 3).find(|moves| Self::phase(*moves) == phase);
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// How long nothing may come after so many moves.
    fn patience(moves: u64) -> Option<Duration> {
        match Self::phase(moves) {
            Phase::Idle if moves == 0 => Some(FIRST),
            Phase::Idle => Some(IDLE),
            Phase::Head => Some(HEAD),
            Phase::Busy => None,
        }
    }
}

/// A stream that ends when it is slower than its pace allows.
pub(super) struct Paced<IO> {
    io: IO,
    pace: Arc<Pace>,
    /// The end of what is waited for now, and after how many moves that began.
    reading: Option<(u64, Pin<Box<Sleep>>)>,
    writing: Option<Pin<Box<Sleep>>>,
}

fn too_slow() -> Error {
    Error::new(ErrorKind::TimedOut, "the other side is too slow")
}

impl<IO> Paced<IO> {
    pub(super) fn new(io: IO, pace: Arc<Pace>) -> Self {
        Self { io, pace, reading: None, writing: None }
    }

    /// What to say to a reader for whom there is nothing.
    fn nothing_read(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let moves = self.pace.moves();
        let Some(patience) = Pace::patience(moves) else {
            self.reading = None;
            return Poll::Pending;
        };
        let (_, timer) = match self.reading.take().filter(|(since, _)| *since == moves) {
            Some(waiting) => self.reading.insert(waiting),
            None => self.reading.insert((moves, Box::pin(sleep(patience)))),
        };
        timer.as_mut().poll(context).map(|()| Err(too_slow()))
    }

    /// What became of a write, unless nothing could be written for too long.
    fn written<T>(&mut self, context: &mut Context<'_>, written: Poll<Result<T>>) -> Poll<Result<T>> {
        if written.is_ready() {
            self.writing = None;
            return written;
        }
        let timer = self.writing.get_or_insert_with(|| Box::pin(sleep(WRITE)));
        timer.as_mut().poll(context).map(|()| Err(too_slow()))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Paced<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if read.is_pending() {
            return self.nothing_read(context);
        }
        if buffer.filled().len() > before && Pace::phase(self.pace.moves()) == Phase::Idle {
            self.pace.go_to(Phase::Head);
        }
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Paced<IO> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        self.written(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// Whose connection a request came by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub IpAddr);

/// The routes as a connection calls them.
pub(super) struct Routed {
    router: TowerToHyperService<Router>,
    peer: Peer,
    pace: Arc<Pace>,
}

impl Routed {
    pub(super) fn new(router: Router, peer: IpAddr, pace: Arc<Pace>) -> Self {
        Self { router: TowerToHyperService::new(router), peer: Peer(peer), pace }
    }
}

impl Service<Request<Incoming>> for Routed {
    type Response = Response<Answered>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.pace.go_to(Phase::Busy);
        let end = End(self.pace.clone());
        request.extensions_mut().insert(self.peer);
        let answer = self.router.call(request);
        Box::pin(async move { Ok(answer.await?.map(|body| Answered { body, _end: end })) })
    }
}

/// The connection is idle once this is dropped.
struct End(Arc<Pace>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.go_to(Phase::Idle);
    }
}

/// The body of an answer, with which the answer ends.
pub(super) struct Answered {
    body: Body,
    _end: End,
}

impl HttpBody for Answered {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::Instant,
    };

    use super::*;

    /// A client, a server's side of the stream, and the pace of that.
    fn connected(room: usize) -> (DuplexStream, Paced<DuplexStream>, Arc<Pace>) {
        let (client, server) = duplex(room);
        let pace = Arc::new(Pace::default());
        (client, Paced::new(server, pace.clone()), pace)
    }

    /// After how many seconds reading ends in vain.
    async fn ends_after(server: &mut Paced<DuplexStream>) -> u64 {
        let begun = Instant::now();
        let error = server.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        begun.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_connection() {
        let (_client, mut server, _) = connected(64);
        assert_eq!(ends_after(&mut server).await, FIRST.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn head_that_comes_byte_by_byte_ends_its_connection() {
        let (mut client, mut server, _) = connected(64);
        let writer = tokio::spawn(async move {
            while client.write_u8(b'x').await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        let begun = Instant::now();
        while server.read_u8().await.is_ok() {}
        assert_eq!(begun.elapsed().as_secs(), HEAD.as_secs());
        writer.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_a_connection_may_be_silent_for_longer_and_while_it_is_answered_for_ever() {
        let (mut client, mut server, pace) = connected(64);
        client.write_u8(b'x').await.unwrap();
        server.read_u8().await.unwrap();
        pace.go_to(Phase::Busy);
        let answered = tokio::time::timeout(Duration::from_secs(3600), server.read_u8()).await;
        assert!(answered.is_err(), "nothing ends it");
        drop(End(pace.clone()));
        assert_eq!(ends_after(&mut server).await, IDLE.as_secs());
        // The next one has its time again.
        let (mut client, mut server, pace) = connected(64);
        for _ in 0..3 {
            sleep(Duration::from_secs(9)).await;
            client.write_u8(b'x').await.unwrap();
            server.read_u8().await.unwrap();
            pace.go_to(Phase::Busy);
            drop(End(pace.clone()));
        }
        assert_eq!(ends_after(&mut server).await, IDLE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_not_written_to_for_ever() {
        let (mut client, mut server, _) = connected(4);
        let begun = Instant::now();
        let error = server.write_all(b"more than there is room for").await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed()), (ErrorKind::TimedOut, WRITE));
        // Who reads slowly, but reads, is.
        let (mut slow, mut server, _) = connected(4);
        let reader = tokio::spawn(async move {
            for _ in 0..27 {
                sleep(Duration::from_secs(20)).await;
                slow.read_u8().await.unwrap();
            }
        });
        server.write_all(b"more than there is room for").await.unwrap();
        reader.await.unwrap();
        client.read_u8().await.unwrap();
    }
}
