//! One session with the broker: a connection, from the handshake to its loss, and its channels.

use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use lapin::protocol::constants::REPLY_SUCCESS;
use lapin::uri::AMQPUri;
use lapin::{Channel, ErrorKind, Event};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use super::connect::{Role, Socket, connect};
use super::error::{BrokerError, answer, message};
use super::topology::Topology;
use crate::QueueError;

/// lapin doesn't announce every way in which a connection ends.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The broker tells the consumers of a queue that it was deleted. Version 3 forgets those that it
/// has not told yet when the queue is declared again.
const BEFORE_REDECLARING: Duration = Duration::from_millis(250);

/// RabbitMQ allows 2047 per connection by default.
const CHANNELS: usize = 1500;

/// A connection on which the topology has been declared. It ends when it is dropped.
pub(super) struct Session {
    connection: lapin::Connection,
    socket: Socket,
    pub(super) runtime: Handle,
    idle: Mutex<Vec<Channel>>,
    permits: Arc<Semaphore>,
    blocked_because: Mutex<String>,
    redeclare: Notify,
    check: Notify,
    lost: watch::Sender<bool>,
}

impl Session {
    /// Connects to `node` for the `nth` time, and declares the topology.
    pub(super) async fn begin(
        (node, nth): (&AMQPUri, usize),
        role: Role,
        topology: &Topology,
    ) -> Result<Arc<Self>, QueueError> {
        let (connection, socket) = connect(node, nth, role).await?;
        let session = Arc::new(Self {
            connection,
            socket,
            runtime: Handle::current(),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(CHANNELS)),
            blocked_because: Mutex::new("it is short of memory or disk".to_owned()),
            redeclare: Notify::new(),
            check: Notify::new(),
            lost: watch::Sender::new(false),
        });
        if let Err(error) = session.declare(topology).await {
            session.close().await;
            return Err(error);
        }
        Ok(session)
    }

    /// Watches the session, and says why it was lost.
    pub(super) async fn supervise(&self, topology: &Topology) -> QueueError {
        let mut events = pin!(self.connection.events_listener());
        let mut checks = tokio::time::interval(CHECK_INTERVAL);
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
                    // A channel's errors come here as well.
                    Some(Event::Error(error)) if !self.connection.status().connected() => {
                        reason = message(&error);
                    }
                    Some(_) => {}
                    None => break,
                },
                () = self.redeclare.notified() => {
                    tokio::time::sleep(BEFORE_REDECLARING).await;
                    match self.declare(topology).await {
                        Ok(()) => tracing::warn!("declared again what was missing on the broker"),
                        Err(error @ QueueError::Unavailable(_)) => {
                            tracing::warn!(%error, "could not declare what is missing on the broker");
                        }
                        Err(error) => {
                            self.close().await;
                            return error;
                        }
                    }
                }
                () = self.check.notified() => if let Err(silence) = self.ping().await {
                    return silence.into();
                },
                _ = checks.tick() => {}
            }
        }
        while let Some(Some(event)) = events.next().now_or_never() {
            if let Event::Error(error) = event {
                reason = message(&error);
            }
        }
        QueueError::Unavailable(reason)
    }

    /// Has the topology declared again: something of it seems to be gone.
    pub(super) fn redeclare(&self) {
        self.redeclare.notify_one();
    }

    /// Has it checked whether the broker still answers.
    pub(super) fn check(&self) {
        self.check.notify_one();
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

    /// Waits until the session is ended.
    pub(super) async fn lost(&self) {
        // The sender is ours, so this can't fail.
        let _ = self.lost.subscribe().wait_for(|lost| *lost).await;
    }

    /// Ends the session at once: whatever waits for the broker fails now.
    pub(super) fn end(&self) {
        self.lost.send_replace(true);
        self.socket.cut();
    }

    /// Ends the session; says goodbye first, if the broker listens.
    pub(super) async fn close(&self) {
        let _ = answer(self.connection.close(REPLY_SUCCESS, "OK".into())).await;
        self.end();
    }

    /// On a channel outside the pool, where all may be waiting for just this.
    async fn declare(&self, topology: &Topology) -> Result<(), QueueError> {
        let channel = answer(self.connection.create_channel()).await?;
        topology.ensure(&channel).await?;
        Ok(close(&channel).await?)
    }

    /// Fails if the broker doesn't answer. A blocked connection says nothing about that: the broker
    /// doesn't read it.
    async fn ping(&self) -> Result<(), BrokerError> {
        if self.connection.status().blocked() {
            return Ok(());
        }
        let pong = match answer(self.connection.create_channel()).await {
            Ok(channel) => close(&channel).await,
            Err(error) => Err(error),
        };
        match pong {
            Err(BrokerError::TimedOut(_)) if self.connection.status().blocked() => Ok(()),
            Err(BrokerError::Failed(error))
                if matches!(error.kind(), ErrorKind::ChannelsLimitReached) =>
            {
                Ok(())
            }
            pong => pong,
        }
    }

    /// A channel for one's own use, waiting for one if all are in use.
    pub(super) async fn channel(self: &Arc<Self>) -> Result<PooledChannel, BrokerError> {
        // Never closed, so this never fails.
        let permit = self.permits.clone().acquire_owned().await.ok();
        let pooled = |channel| PooledChannel {
            channel,
            session: self.clone(),
            is_clean: false,
            _permit: permit,
        };
        if let Some(channel) = self.idle_channel() {
            return Ok(pooled(channel));
        }
        Ok(pooled(answer(self.connection.create_channel()).await?))
    }

    fn idle_channel(&self) -> Option<Channel> {
        let mut idle = self.idle.lock();
        // Those that the broker closed meanwhile are dropped here.
        std::iter::from_fn(|| idle.pop()).find(|channel| channel.status().connected())
    }
}

/// A channel in use. Dropped, it is closed, as something may still be under way on it. Whoever knows
/// that nothing is gives it back.
pub(super) struct PooledChannel {
    channel: Channel,
    session: Arc<Session>,
    is_clean: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl PooledChannel {
    /// Leaves it to the next user: nothing is under way on it.
    pub(super) fn give_back(mut self) {
        self.is_clean = true;
        self.session.idle.lock().push(self.channel.clone());
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Whether it can still be used.
    pub(super) fn is_open(&self) -> bool {
        self.channel.status().connected() && self.session.is_up()
    }
}

impl Deref for PooledChannel {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        &self.channel
    }
}

impl Drop for PooledChannel {
    fn drop(&mut self) {
        if !self.is_clean && self.is_open() {
            let channel = self.channel.clone();
            // Not left to lapin: if its own close crosses one of the broker's, it gives up the whole
            // connection.
            let close = async move { close(&channel).await };
            self.session.runtime.spawn(close);
        }
    }
}

async fn close(channel: &Channel) -> Result<(), BrokerError> {
    answer(channel.close(REPLY_SUCCESS, "OK".into())).await
}
