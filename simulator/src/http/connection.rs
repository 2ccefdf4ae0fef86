//! A server that can be closed and opened again, and connections that can be cut.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::core::Core;

/// After `accept` failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves a router on an address that can be closed and opened again.
pub(crate) struct Server {
    core: Arc<Core>,
    router: Router,
    address: SocketAddr,
    listening: Mutex<Option<Listening>>,
}

/// Ends the listener and its connections.
struct Listening {
    close: CancellationToken,
    is_closed: oneshot::Receiver<()>,
}

impl Server {
    pub(crate) fn start(
        core: Arc<Core>,
        router: Router,
        listener: TcpListener,
        address: SocketAddr,
    ) -> Self {
        let server = Self {
            core,
            router,
            address,
            listening: Mutex::new(None),
        };
        server.listen(listener);
        server
    }

    fn listen(&self, listener: TcpListener) {
        let close = self.core.ended.child_token();
        let (closed, is_closed) = oneshot::channel();
        let router = self.router.clone();
        let acceptor = Acceptor {
            listener,
            address: self.address,
            close: close.clone(),
        };
        *self.listening.lock() = Some(Listening {
            close: close.clone(),
            is_closed,
        });
        self.core.spawn(async move {
            let router = router.into_make_service_with_connect_info::<ConnectionHandle>();
            let serve = axum::serve(acceptor, router).into_future();
            // Serving never ends by itself. The listener is dropped before `closed` is sent.
            close.run_until_cancelled_owned(serve).await;
            let _ = closed.send(());
        });
    }

    /// Refuses connections from now on, and resets those that are open.
    pub(crate) async fn close(&self) {
        let listening = self.listening.lock().take();
        if let Some(Listening { close, is_closed }) = listening {
            close.cancel();
            // An error means that the simulator has ended, and with it the listener.
            let _ = is_closed.await;
        }
    }

    /// Accepts connections again, at the same address.
    pub(crate) async fn open(&self) -> io::Result<()> {
        self.listen(self.bind().await?);
        Ok(())
    }

    /// Tries for a second: a child process that is just starting may hold the old socket for a moment.
    async fn bind(&self) -> io::Result<TcpListener> {
        for _ in 0..20 {
            match TcpListener::bind(self.address).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                bound => return bound,
            }
        }
        TcpListener::bind(self.address).await
    }
}

/// The listener that axum serves from.
struct Acceptor {
    listener: TcpListener,
    address: SocketAddr,
    close: CancellationToken,
}

impl Listener for Acceptor {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    return (Connection::new(stream, self.close.child_token()), peer);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Cuts one connection.
#[derive(Clone)]
pub(crate) struct ConnectionHandle {
    cut: CancellationToken,
    is_orderly: Arc<AtomicBool>,
}

impl ConnectionHandle {
    /// For a request without a connection. The token is cancelled if it would be cut.
    pub(crate) fn alone() -> (Self, CancellationToken) {
        let cut = CancellationToken::new();
        let handle = Self {
            cut: cut.clone(),
            is_orderly: Arc::default(),
        };
        (handle, cut)
    }

    /// Resets the connection: the peer sees `ECONNRESET`.
    pub(super) fn reset(&self) {
        self.cut.cancel();
    }

    /// Closes the connection: the peer sees its end.
    pub(super) fn close(&self) {
        self.is_orderly.store(true, Ordering::Relaxed);
        self.cut.cancel();
    }
}

impl Connected<IncomingStream<'_, Acceptor>> for ConnectionHandle {
    fn connect_info(stream: IncomingStream<'_, Acceptor>) -> Self {
        stream.io().handle.clone()
    }
}

/// A TCP connection that fails once its [`ConnectionHandle`] cuts it.
pub(crate) struct Connection {
    stream: TcpStream,
    handle: ConnectionHandle,
    when_cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    fn new(stream: TcpStream, cut: CancellationToken) -> Self {
        // Answers are small, and clients wait for each.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            when_cut: Box::pin(cut.clone().cancelled_owned()),
            handle: ConnectionHandle {
                cut,
                is_orderly: Arc::default(),
            },
        }
    }

    fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        ready!(self.when_cut.as_mut().poll(context));
        if !self.handle.is_orderly.load(Ordering::Relaxed) {
            // Closing a socket that doesn't linger resets the connection.
            let _ = self.stream.set_zero_linger();
        }
        Poll::Ready(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.poll_cut(context) {
            Poll::Ready(cut) => Poll::Ready(Err(cut)),
            Poll::Pending => Pin::new(&mut self.stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.poll_cut(context) {
            Poll::Ready(cut) => Poll::Ready(Err(cut)),
            Poll::Pending => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_cut(context) {
            Poll::Ready(cut) => Poll::Ready(Err(cut)),
            Poll::Pending => Pin::new(&mut self.stream).poll_shutdown(context),
        }
    }
}
