//! One connection to the broker, from the handshake to its loss.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use lapin::protocol::constants::REPLY_SUCCESS;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, ErrorKind, Event};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::address::Address;
use super::channels::{Channels, Role};
use super::fault::{
    ACCESS_REFUSED, ANSWER_WITHIN, NOT_ALLOWED, Unanswered, answer, reply_code, words,
};
use super::socket::{self, Socket};
use super::topology::Topology;
use crate::QueueError;

/// lapin doesn't announce every way in which a connection ends.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The broker tells the consumers of a queue that it was deleted, but version 3 not those that it
/// has not told yet when the queue is declared again.
const BEFORE_DECLARING_AGAIN: Duration = Duration::from_millis(250);

/// What it takes to connect.
pub(super) struct Target {
    pub(super) address: Address,
    pub(super) role: Role,
    pub(super) topology: Topology,
    pub(super) runtime: Handle,
}

/// A connection on which the topology has been declared. It ends when it is dropped.
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) channels: Channels,
    pub(super) runtime: Handle,
    socket: Socket,
    blocked_because: Mutex<String>,
    missing: Notify,
    doubt: Notify,
    lost: watch::Sender<bool>,
}

impl Link {
    /// Connects and declares the topology.
    pub(super) async fn establish(target: &Target) -> Result<Arc<Self>, QueueError> {
        let (node, nth) = target.address.node();
        let connecting = socket::connect(node, nth, properties(target));
        let (connection, socket) = connecting
            .await
            .map_err(|error| not_connected(node, &error))?;
        let link = Arc::new(Self {
            connection,
            channels: Channels::new(target.role),
            runtime: target.runtime.clone(),
            socket,
            blocked_because: Mutex::new("it is short of memory or disk".to_owned()),
            missing: Notify::new(),
            doubt: Notify::new(),
            lost: watch::Sender::new(false),
        });
        if let Err(error) = link.declare(&target.topology).await {
            link.close().await;
            return Err(error);
        }
        Ok(link)
    }

    /// Keeps the link in order until it is lost, and says why it was.
    pub(super) async fn tend(&self, topology: &Topology) -> QueueError {
        let mut events = pin!(self.connection.events_listener());
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let mut reason = "the connection was closed".to_owned();
        while self.connection.status().connected() {
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(why)) => {
                        tracing::warn!(reason = %why, "the broker takes no messages");
                        *self.blocked_because.lock() = why;
                    }
                    Some(Event::ConnectionUnblocked) => {
                        tracing::info!("the broker takes messages again");
                    }
                    // Those of mere channels come here as well.
                    Some(Event::Error(error)) if !self.connection.status().connected() => {
                        reason = words(&error);
                    }
                    Some(_) => {}
                    None => break,
                },
                () = self.missing.notified() => {
                    tokio::time::sleep(BEFORE_DECLARING_AGAIN).await;
                    match self.declare(topology).await {
                        Ok(()) => tracing::warn!("declared again what was missing on the broker"),
                        Err(error) if matches!(error, QueueError::Unavailable(_)) => {
                            tracing::warn!(%error, "could not declare what is missing on the broker");
                        }
                        Err(error) => {
                            self.close().await;
                            return error;
                        }
                    }
                }
                () = self.doubt.notified() => if !self.responds().await {
                    return QueueError::Unavailable(Unanswered::Silence.to_string());
                },
                _ = looks.tick() => {}
            }
        }
        while let Some(Some(event)) = events.next().now_or_never() {
            if let Event::Error(error) = event {
                reason = words(&error);
            }
        }
        QueueError::Unavailable(reason)
    }

    /// Says that something of the topology seems to be gone.
    pub(super) fn misses_topology(&self) {
        self.missing.notify_one();
    }

    /// Says that the broker seems not to answer any more.
    pub(super) fn raises_doubt(&self) {
        self.doubt.notify_one();
    }

    /// Why the broker takes no messages at the moment, if it doesn't.
    pub(super) fn blocked(&self) -> Option<String> {
        self.connection.status().blocked().then(|| {
            let why = self.blocked_because.lock();
            format!("the broker takes no messages at the moment: {why}")
        })
    }

    pub(super) fn is_up(&self) -> bool {
        self.connection.status().connected() && !*self.lost.borrow()
    }

    /// Waits until the link is given up.
    pub(super) async fn lost(&self) {
        // The sender is ours, so this can't fail.
        let _ = self.lost.subscribe().wait_for(|lost| *lost).await;
    }

    /// Gives the link up: whatever waits for the broker on it fails now.
    pub(super) fn cut(&self) {
        self.lost.send_replace(true);
        self.socket.cut();
    }

    /// Says goodbye first, if the broker listens.
    pub(super) async fn close(&self) {
        let _ = answer(self.connection.close(REPLY_SUCCESS, "OK".into())).await;
        self.cut();
    }

    /// On a channel beside the borrowed ones, which may all be waiting for just this.
    async fn declare(&self, topology: &Topology) -> Result<(), QueueError> {
        let channel = answer(self.connection.create_channel()).await?;
        topology.ensure(&channel).await?;
        Ok(answer(channel.close(REPLY_SUCCESS, "OK".into())).await?)
    }

    /// Whether the broker answers. A blocked connection says nothing about that: it is not read.
    async fn responds(&self) -> bool {
        if self.connection.status().blocked() {
            return true;
        }
        match answer(self.connection.create_channel()).await {
            Ok(channel) => answer(channel.close(REPLY_SUCCESS, "OK".into()))
                .await
                .is_ok(),
            Err(Unanswered::Failed(error)) => {
                matches!(error.kind(), ErrorKind::ChannelsLimitReached)
            }
            Err(Unanswered::Silence) => self.connection.status().blocked(),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cut();
    }
}

fn properties(target: &Target) -> ConnectionProperties {
    let purpose = match target.role {
        Role::Publishing => "publishes",
        Role::Consuming => "consumes",
    };
    let program = std::env::current_exe().ok();
    let program = program
        .as_ref()
        .and_then(|path| path.file_stem()?.to_str())
        .unwrap_or("overflow");
    let name = format!("{program}[{}] {purpose}", std::process::id());
    ConnectionProperties::default().with_connection_name(name.into())
}

/// Names host and port; never user or password.
fn not_connected(uri: &AMQPUri, error: &Unanswered) -> QueueError {
    let place = format!("{}:{}", uri.authority.host, uri.authority.port);
    let code = match error {
        Unanswered::Failed(error) => reply_code(error),
        Unanswered::Silence => None,
    };
    match code {
        Some(ACCESS_REFUSED) => QueueError::AccessRefused(format!(
            "the broker at {place} refuses the user name or password in the queue's URL ({error})"
        )),
        // Also said of too many connections, which passes.
        Some(NOT_ALLOWED) if !error.to_string().contains("limit") => {
            QueueError::AccessRefused(format!(
                "the broker at {place} doesn't let us into the virtual host that the queue's URL \
                 names ({error})"
            ))
        }
        _ if matches!(error, Unanswered::Silence) => QueueError::Unavailable(format!(
            "no RabbitMQ answers at {place} within {ANSWER_WITHIN:?}"
        )),
        _ => QueueError::Unavailable(format!("RabbitMQ at {place} can't be reached: {error}")),
    }
}
