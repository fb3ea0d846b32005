//! A bound on connections and on how long each may stay without being answered, so that whoever
//! reaches a surface cannot use up the descriptors that rotations need, nor shut others out.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How many connections are open at once.
const CONNECTIONS: usize = 256;

/// How long a connection may be silent, how long its request may take to arrive and to be answered
/// together, and how long the answer may take to be read. Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(45);

/// How a connection of HTTP/2 begins. One such connection carries as many requests at once as it
/// likes, so none is served; the libraries would.
const PREFACE: &[u8] = b"PRI * HTTP/2";

/// A listener whose connections are few, and end when nothing comes of them. With no place left
/// the oldest that has no request under way makes room: it is most likely one that never asks
/// anything, and whoever loses a connection between two requests opens another. Where all have one,
/// the oldest of all does.
pub(super) struct Limited<L> {
    listener: L,
    places: Arc<Semaphore>,
    patience: Duration,
    open: Arc<Open>,
}

/// The open connections, the oldest first.
#[derive(Default)]
struct Open(Mutex<Numbered>);

#[derive(Default)]
struct Numbered {
    last: u64,
    connections: BTreeMap<u64, Connection>,
}

/// What is known of an open connection from outside.
#[derive(Clone, Default)]
struct Connection {
    end: CancellationToken,
    /// Whether a request has begun to arrive since the last answer began.
    asked: Arc<AtomicBool>,
}

impl Connection {
    fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, Numbered> {
        // The map is whole at every moment, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, connection: Connection) -> u64 {
        let mut open = self.lock();
        open.last += 1;
        let number = open.last;
        open.connections.insert(number, connection);
        number
    }

    fn make_room(&self) {
        let connections = &mut self.lock().connections;
        let resting = connections.iter().find(|(_, connection)| !connection.has_asked());
        let number = resting.or(connections.first_key_value()).map(|(number, _)| *number);
        if let Some(connection) = number.and_then(|number| connections.remove(&number)) {
            connection.end.cancel();
        }
    }
}

impl<L> Limited<L> {
    pub(super) fn new(listener: L) -> Self {
        Self::with(listener, CONNECTIONS, PATIENCE)
    }

    fn with(listener: L, connections: usize, patience: Duration) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(connections)),
            patience,
            open: Arc::default(),
        }
    }
}

impl<L: Listener> Listener for Limited<L> {
    type Io = Impatient<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (io, address) = self.listener.accept().await;
        if self.places.available_permits() == 0 {
            self.open.make_room();
        }
        // The semaphore is never closed; a connection without a place would only go uncounted.
        let place = self.places.clone().acquire_owned().await.ok();
        (Impatient::new(io, self.patience, place, &self.open), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that fails when it waits for too long, or is to make room.
pub(super) struct Impatient<Io> {
    io: Io,
    patience: Duration,
    /// When the patience is over.
    over: Pin<Box<Sleep>>,
    /// How much of [`PREFACE`] it has sent, and nothing else before.
    preface: Option<usize>,
    connection: Connection,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    number: u64,
    open: Arc<Open>,
    _place: Option<OwnedSemaphorePermit>,
}

impl<Io> Impatient<Io> {
    fn new(io: Io, patience: Duration, place: Option<OwnedSemaphorePermit>, open: &Arc<Open>) -> Self {
        let connection = Connection::default();
        Self {
            io,
            patience,
            over: Box::pin(tokio::time::sleep(patience)),
            preface: Some(0),
            ended: Box::pin(connection.end.clone().cancelled_owned()),
            number: open.enter(connection.clone()),
            connection,
            open: Arc::clone(open),
            _place: place,
        }
    }

    /// What is under it.
    pub(super) fn get_ref(&self) -> &Io {
        &self.io
    }

    /// Notes that a request or its answer begins. Only what changes that renews the patience: a
    /// request that drips in, or an answer that drips out, must end all the same.
    fn turn(&mut self, asked: bool) {
        if self.connection.asked.swap(asked, Ordering::Relaxed) == asked {
            return;
        }
        let over = Instant::now() + self.patience;
        self.over.as_mut().reset(over);
    }

    /// Whether the connection has turned out to be one of HTTP/2.
    fn is_http2(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            let next = self.preface.and_then(|sent| PREFACE.get(sent..)?.first());
            self.preface = self.preface.filter(|_| next == Some(byte)).map(|sent| sent + 1);
            if self.preface == Some(PREFACE.len()) {
                return true;
            }
            if self.preface.is_none() {
                return false;
            }
        }
        false
    }

    /// Pending for as long as the connection may go on waiting.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let over = self.over.as_mut().poll(cx).is_ready() || self.ended.as_mut().poll(cx).is_ready();
        match over {
            true => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            false => Poll::Pending,
        }
    }
}

impl<Io> Drop for Impatient<Io> {
    fn drop(&mut self) {
        self.open.lock().connections.remove(&self.number);
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Impatient<Io> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.io).poll_read(cx, buffer) {
            Poll::Ready(_) if self.is_http2(&buffer.filled()[before..]) => {
                Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
            }
            Poll::Ready(read) => {
                self.turn(true);
                // A client that sends without a pause is never pending, and must end too.
                match self.wait::<()>(cx) {
                    Poll::Ready(over) => Poll::Ready(over),
                    Poll::Pending => Poll::Ready(read),
                }
            }
            Poll::Pending => self.wait(cx),
        }
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Impatient<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.io).poll_write(cx, bytes) {
            Poll::Ready(written) => {
                self.turn(false);
                Poll::Ready(written)
            }
            Poll::Pending => self.wait(cx),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_flush(cx) {
            Poll::Ready(flushed) => Poll::Ready(flushed),
            Poll::Pending => self.wait(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_shutdown(cx) {
            Poll::Ready(shut) => Poll::Ready(shut),
            Poll::Pending => self.wait(cx),
        }
    }
}

#[cfg(test)]
#[path = "limit_tests.rs"]
mod tests;
