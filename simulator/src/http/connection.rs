//! Connections that can be cut, and a listener that can be closed and opened again.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// After `accept` failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The listener that axum serves from.
pub(crate) struct Listening {
    listener: Option<TcpListener>,
    address: SocketAddr,
    commands: mpsc::UnboundedReceiver<Command>,
    lines: Arc<Mutex<CancellationToken>>,
}

/// Opens and closes a [`Listening`].
pub(crate) struct Gate {
    ended: CancellationToken,
    address: SocketAddr,
    commands: mpsc::UnboundedSender<Command>,
    lines: Arc<Mutex<CancellationToken>>,
}

enum Command {
    Close(oneshot::Sender<()>),
    Open(TcpListener),
}

impl Gate {
    /// All connections are reset when `ended` is cancelled.
    pub(crate) fn new(
        listener: TcpListener,
        ended: CancellationToken,
    ) -> io::Result<(Self, Listening)> {
        let address = listener.local_addr()?;
        let (sender, commands) = mpsc::unbounded_channel();
        let lines = Arc::new(Mutex::new(ended.child_token()));
        let gate = Self {
            ended,
            address,
            commands: sender,
            lines: lines.clone(),
        };
        let listening = Listening {
            listener: Some(listener),
            address,
            commands,
            lines,
        };
        Ok((gate, listening))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses connections from now on, and resets those that are open.
    pub(crate) async fn close(&self) {
        let (closed, when_closed) = oneshot::channel();
        if self.commands.send(Command::Close(closed)).is_ok() {
            // An error means that the server is gone, and with it the listener.
            let _ = when_closed.await;
        }
        let mut lines = self.lines.lock();
        std::mem::replace(&mut *lines, self.ended.child_token()).cancel();
    }

    /// Accepts connections again, at the same address.
    pub(crate) async fn open(&self) -> io::Result<()> {
        let listener = self.listen_again().await?;
        // Fails only once the server is gone.
        let _ = self.commands.send(Command::Open(listener));
        Ok(())
    }

    /// Tries for a second: a process that is started just now holds the old socket for a moment.
    async fn listen_again(&self) -> io::Result<TcpListener> {
        for _ in 0..20 {
            match TcpListener::bind(self.address).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                bound => return bound,
            }
        }
        TcpListener::bind(self.address).await
    }
}

impl Listener for Listening {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(Command::Open(listener)) => self.listener = Some(listener),
                    Some(Command::Close(closed)) => {
                        self.listener = None;
                        let _ = closed.send(());
                    }
                    // The simulator is gone; its server is about to be.
                    None => std::future::pending().await,
                },
                accepted = accept(self.listener.as_ref()) => match accepted {
                    Ok((stream, peer)) => {
                        let all = self.lines.lock();
                        return (Connection::new(stream, all.child_token()), peer);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Cuts one connection.
#[derive(Clone)]
pub(crate) struct Line {
    cut: CancellationToken,
    in_order: Arc<AtomicBool>,
}

impl Line {
    /// A connection of which nothing else is simulated; with it, what is done when it is cut.
    pub(crate) fn alone() -> (Self, CancellationToken) {
        let cut = CancellationToken::new();
        let line = Self {
            cut: cut.clone(),
            in_order: Arc::default(),
        };
        (line, cut)
    }

    /// Resets the connection: the peer sees `ECONNRESET`.
    pub(super) fn reset(&self) {
        self.cut.cancel();
    }

    /// Closes the connection: the peer sees its end.
    pub(super) fn close(&self) {
        self.in_order.store(true, Ordering::Relaxed);
        self.cut.cancel();
    }
}

impl Connected<IncomingStream<'_, Listening>> for Line {
    fn connect_info(stream: IncomingStream<'_, Listening>) -> Self {
        stream.io().line.clone()
    }
}

/// A TCP connection that fails once its [`Line`] is cut.
pub(crate) struct Connection {
    stream: TcpStream,
    line: Line,
    when_cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    fn new(stream: TcpStream, cut: CancellationToken) -> Self {
        // Answers are small and each is awaited.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            when_cut: Box::pin(cut.clone().cancelled_owned()),
            line: Line {
                cut,
                in_order: Arc::default(),
            },
        }
    }

    fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        ready!(self.when_cut.as_mut().poll(context));
        if !self.line.in_order.load(Ordering::Relaxed) {
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
