//! The socket below a connection, so that it can be cut.

use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, OnceLock};

use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};

use super::fault::ANSWER_WITHIN;

/// A handle on the socket of one connection. lapin serves each connection by a thread that ends
/// only with its socket, and a frozen broker never ends one: without this, each attempt to connect
/// to it would leave a thread behind.
#[derive(Default, Clone)]
pub(super) struct Socket(Arc<OnceLock<TcpStream>>);

impl Socket {
    /// Ends the connection at once, as seen from both sides. Whatever waits for it fails.
    pub(super) fn cut(&self) {
        if let Some(socket) = self.0.get() {
            // Fails only where it has ended already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn hold(&self, socket: BorrowedFd<'_>) -> std::io::Result<()> {
        let socket = socket.try_clone_to_owned()?;
        // There is one socket per connection, so nothing is here yet.
        let _ = self.0.set(TcpStream::from(socket));
        Ok(())
    }
}

/// Cuts the connection unless it was kept.
struct CutOnDrop(Option<Socket>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some(socket) = self.0.take() {
            socket.cut();
        }
    }
}

/// Connects; whoever gives up waiting leaves nothing behind.
pub(super) async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
) -> lapin::Result<(Connection, Socket)> {
    use lapin::tcp::{AMQPUriTcpExt, AsyncTcpStream};

    let socket = Socket::default();
    let mut guard = CutOnDrop(Some(socket.clone()));
    let held = socket.clone();
    let connection = Connection::connector(
        uri,
        lapin::runtime::default_runtime()?,
        async move |uri: AMQPUri, runtime| {
            let stream = tokio::time::timeout(ANSWER_WITHIN, uri.connect_async(&runtime))
                .await
                .map_err(std::io::Error::from)??;
            match &stream {
                AsyncTcpStream::Plain(tcp) => held.hold(tcp.get_ref().as_fd())?,
                AsyncTcpStream::Rustls(tls) => held.hold(tls.get_ref().0.get_ref().as_fd())?,
                _ => {}
            }
            Ok(stream)
        },
        properties,
    )
    .await?;
    guard.0 = None;
    Ok((connection, socket))
}
