//! The socket below a connection, so that it can be cut.

use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::select_ok;
use lapin::tcp::{AsyncTcpStream, TLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};
use parking_lot::Mutex;

use super::fault::{ANSWER_WITHIN, Unanswered, answer};

/// How long an address is tried before the next one is as well.
const HEAD_START: Duration = Duration::from_millis(250);

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

/// Connects for the `nth` time; whoever gives up waiting leaves nothing behind.
pub(super) async fn connect(
    uri: &AMQPUri,
    nth: usize,
    properties: ConnectionProperties,
) -> Result<(Connection, Socket), Unanswered> {
    let runtime = lapin::runtime::default_runtime().map_err(Unanswered::Failed)?;
    // Whichever address takes it first; each has the whole time.
    let addresses = addresses(uri, nth).await?.into_iter().zip(0..);
    let attempts = addresses.map(|(address, place)| {
        let runtime = &runtime;
        Box::pin(async move {
            tokio::time::sleep(HEAD_START * place).await;
            let connecting = AsyncTcpStream::connect(runtime, address);
            match tokio::time::timeout(ANSWER_WITHIN, connecting).await {
                Ok(connected) => connected.map_err(failed),
                Err(_) => Err(Unanswered::Silence),
            }
        })
    });
    let (stream, _) = select_ok(attempts).await?;
    let socket = Socket::default();
    if let AsyncTcpStream::Plain(tcp) = &stream {
        socket.hold(tcp.get_ref().as_fd()).map_err(failed)?;
    }
    let mut guard = CutOnDrop(Some(socket.clone()));
    // lapin asks for the stream once.
    let stream = Mutex::new(Some(stream));
    let connecting = Connection::connector(
        uri.clone(),
        runtime,
        async move |uri: AMQPUri, _| {
            let stream = stream.lock().take();
            let stream = stream.ok_or_else(|| io::Error::from(ErrorKind::NotConnected))?;
            Ok(match uri.scheme {
                AMQPScheme::AMQP => stream,
                AMQPScheme::AMQPS => {
                    let tls = TLSConfig::default();
                    stream.into_tls(&uri.authority.host, tls).await?
                }
            })
        },
        properties,
    );
    let connection = answer(connecting).await?;
    guard.0 = None;
    Ok((connection, socket))
}

/// The host's addresses. Another one is the first each time, for one may take a connection and then
/// say nothing.
async fn addresses(uri: &AMQPUri, nth: usize) -> Result<Vec<SocketAddr>, Unanswered> {
    let place = (uri.authority.host.as_str(), uri.authority.port);
    let found = tokio::time::timeout(ANSWER_WITHIN, tokio::net::lookup_host(place)).await;
    let found = found.map_err(|_| Unanswered::Silence)?.map_err(failed)?;
    let mut addresses: Vec<_> = found.collect();
    if addresses.is_empty() {
        return Err(failed(ErrorKind::AddrNotAvailable.into()));
    }
    let first = nth % addresses.len();
    addresses.rotate_left(first);
    Ok(addresses)
}

fn failed(error: io::Error) -> Unanswered {
    Unanswered::Failed(error.into())
}
