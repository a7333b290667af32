//! The listener: bounded connections that may not idle for ever, and an end that doesn't wait for the last of them.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Sleep;

use super::guard::Token;
use super::{Queries, router};

/// Open sockets: file descriptors belong to the log first.
const CONNECTIONS_MAX: usize = 64;
/// Longer than any request may take (`guard`): who says nothing for so long has gone.
const IDLE_MAX: Duration = Duration::from_secs(120);
/// Answers on their way may still be finished after the engine has ended.
const SHUTDOWN_MAX: Duration = Duration::from_secs(2);
/// After a failed accept (out of descriptors): don't spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers until `shutdown` resolves. Errors: the listener's.
pub async fn serve(
    listener: TcpListener,
    queries: Arc<dyn Queries>,
    token: Token,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = Bounded { listener, permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)), idle_max: IDLE_MAX };
    let (ended_tx, ended) = oneshot::channel();
    let stop = async move {
        shutdown.await;
        // Nobody listens any more when the server has ended by itself.
        let _ = ended_tx.send(());
    };
    let serving = axum::serve(listener, router(queries, token)).with_graceful_shutdown(stop).into_future();
    tokio::select! {
        result = serving => result,
        () = async { if ended.await.is_ok() { tokio::time::sleep(SHUTDOWN_MAX).await } else { std::future::pending().await } } => Ok(()),
    }
}

struct Bounded {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    idle_max: Duration,
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let permit = Arc::clone(&self.permits).acquire_owned().await.expect("Invariant: the semaphore is never closed");
            match self.listener.accept().await {
                Ok((stream, from)) => return (Connection::new(stream, permit, self.idle_max), from),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A socket that gives its place back when it ends, and ends when nothing comes.
struct Connection {
    stream: TcpStream,
    idle: Pin<Box<Sleep>>,
    idle_max: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: TcpStream, permit: OwnedSemaphorePermit, idle_max: Duration) -> Self {
        Self { stream, idle: Box::pin(tokio::time::sleep(idle_max)), idle_max, _permit: permit }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            let anew = tokio::time::sleep(self.idle_max);
            self.idle.set(anew);
            return read;
        }
        self.idle.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn a_silent_connection_ends_and_gives_its_place_back() {
        let inner = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = inner.local_addr().expect("address");
        let permits = Arc::new(Semaphore::new(1));
        let mut listener = Bounded { listener: inner, permits: Arc::clone(&permits), idle_max: Duration::from_millis(20) };
        let _client = TcpStream::connect(address).await.expect("connect");
        let (mut connection, _) = listener.accept().await;
        assert_eq!(permits.available_permits(), 0);
        let error = connection.read(&mut [0; 8]).await.expect_err("nothing was sent");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(connection);
        assert_eq!(permits.available_permits(), 1);
    }
}
