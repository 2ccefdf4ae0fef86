//! Connecting to a node, with a hold on the socket, so that it can be cut.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use futures::future::select_ok;
use lapin::tcp::{AsyncTcpStream, TLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};
use parking_lot::Mutex;

use super::error::{ACCESS_REFUSED, BrokerError, NOT_ALLOWED, answer};
use crate::QueueError;

/// How long one address is tried alone before the next one is tried as well.
const HEAD_START: Duration = Duration::from_millis(250);

/// Bytes; RabbitMQ proposes 128 KiB. lapin sets aside 64 times as much for each connection. A body may
/// take many frames; headers must fit into one, and those of a stranger's message may be longer than
/// ours, which end the connection if they don't fit.
const PUBLISHED_FRAME_MAX: u32 = 16 * 1024;
const CONSUMED_FRAME_MAX: u32 = 32 * 1024;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Publishing, over one channel.
    Publishing,
    /// Telling those who listen.
    Telling,
    /// Writing to the stream of what was told.
    Recording,
    /// Declaring, asking and, where the process does, consuming.
    EverythingElse,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publishing => "publishing",
            Self::Telling => "telling",
            Self::Recording => "recording",
            Self::EverythingElse => "everything else",
        })
    }
}

/// The socket of one connection; dropped, it is cut. lapin serves each connection in a thread that
/// ends only with its socket, and a frozen broker never closes one: each attempt to connect to it
/// would leave a thread behind.
pub(super) struct Socket(Option<TcpStream>);

impl Socket {
    /// Ends the connection at once. Whatever waits for it fails.
    pub(super) fn cut(&self) {
        if let Some(socket) = &self.0 {
            // Fails only if it has ended already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.cut();
    }
}

/// Connects for the `nth` time. If the caller stops waiting, nothing is left behind.
pub(super) async fn connect(
    uri: &AMQPUri,
    nth: usize,
    role: Role,
) -> Result<(Connection, Socket), QueueError> {
    let mut uri = uri.clone();
    uri.query.frame_max.get_or_insert(match role {
        Role::EverythingElse => CONSUMED_FRAME_MAX,
        _ => PUBLISHED_FRAME_MAX,
    });
    let connecting = try_connect(&uri, nth, role);
    connecting.await.map_err(|error| explain(&uri, &error))
}

async fn try_connect(
    uri: &AMQPUri,
    nth: usize,
    role: Role,
) -> Result<(Connection, Socket), BrokerError> {
    let runtime = lapin::runtime::default_runtime()?;
    let attempts = addresses(uri, nth).await?.into_iter().zip(0..);
    let attempts = attempts.map(|(address, place)| {
        let runtime = &runtime;
        Box::pin(async move {
            tokio::time::sleep(HEAD_START * place).await;
            let connecting = AsyncTcpStream::connect(runtime, address);
            answer(connecting).await
        })
    });
    let (stream, _) = select_ok(attempts).await?;
    let mut socket = Socket(None);
    if let AsyncTcpStream::Plain(tcp) = &stream {
        socket.0 = Some(tcp.get_ref().as_fd().try_clone_to_owned()?.into());
    }
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
        properties(role),
    );
    Ok((answer(connecting).await?, socket))
}

/// The host's addresses. Each attempt begins with another one, for one may accept a connection and
/// then say nothing.
async fn addresses(uri: &AMQPUri, nth: usize) -> Result<Vec<SocketAddr>, BrokerError> {
    let host = (uri.authority.host.as_str(), uri.authority.port);
    let found = answer(tokio::net::lookup_host(host)).await?;
    let mut addresses: Vec<_> = found.collect();
    if addresses.is_empty() {
        return Err(io::Error::from(ErrorKind::AddrNotAvailable).into());
    }
    let first = nth % addresses.len();
    addresses.rotate_left(first);
    Ok(addresses)
}

fn properties(role: Role) -> ConnectionProperties {
    let program = std::env::current_exe().ok();
    let program = program
        .as_ref()
        .and_then(|path| path.file_stem()?.to_str())
        .unwrap_or("overflow");
    let name = format!("{program}[{}] {role}", std::process::id());
    ConnectionProperties::default().with_connection_name(name.into())
}

/// Names host and port, never user or password.
fn explain(uri: &AMQPUri, error: &BrokerError) -> QueueError {
    let place = format!("{}:{}", uri.authority.host, uri.authority.port);
    match error.reply_code() {
        Some(ACCESS_REFUSED) => QueueError::AccessRefused(format!(
            "the broker at {place} refuses the user name or password in the queue's URL ({error})"
        )),
        // RabbitMQ says the same of too many connections, which passes.
        Some(NOT_ALLOWED) if !error.to_string().contains("limit") => {
            QueueError::AccessRefused(format!(
                "the broker at {place} doesn't let us into the virtual host that the queue's URL \
                 names ({error})"
            ))
        }
        _ => QueueError::Unavailable(match error {
            BrokerError::TimedOut(limit) => {
                format!("no RabbitMQ answers at {place} within {limit:?}")
            }
            BrokerError::Failed(_) => format!("RabbitMQ at {place} can't be reached: {error}"),
        }),
    }
}
