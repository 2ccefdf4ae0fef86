//! Telling those who listen, without confirms. A user's queue that is slow makes the broker read the
//! connection slowly over which it is told, and one that has lost its nodes makes it read no more: so
//! that is a connection of its own, and what we want to know ourselves goes over another one.

use std::sync::atomic::{AtomicBool, Ordering};

use lapin::options::BasicPublishOptions;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;

use super::connect::Role;
use super::connection::{Connection, Nodes, RECONNECT};
use super::error::ANSWER_TIMEOUT;
use super::outgoing::Outgoing;
use super::publisher::{failed, lost};
use super::session::PooledChannel;
use super::topology::Topology;
use crate::QueueError;

/// How much waits for a broker that is away or slow; what comes on top is dropped.
const WAITING: usize = 4096;

pub(super) struct Teller {
    /// The task that tells, until it is closed.
    task: Mutex<Option<(mpsc::Sender<Outgoing>, JoinHandle<()>)>>,
    /// Whether it was said that something is dropped.
    complained: AtomicBool,
}

impl Teller {
    pub(super) fn start(nodes: Nodes, role: Role, topology: Topology) -> Self {
        let (inbox, told) = mpsc::channel(WAITING);
        let task = tokio::spawn(tell_all(nodes, role, topology, told));
        Self {
            task: Mutex::new(Some((inbox, task))),
            complained: AtomicBool::new(false),
        }
    }

    /// Never waits.
    pub(super) fn tell(&self, outgoing: Outgoing) {
        let task = self.task.lock();
        let Some((inbox, _)) = &*task else { return };
        let is_idle = inbox.capacity() == WAITING;
        match inbox.try_send(outgoing) {
            Err(TrySendError::Full(_)) if !self.complained.swap(true, Ordering::Relaxed) => {
                tracing::warn!(
                    "a listener's queue, or the broker, takes nothing: it misses outcomes"
                );
            }
            Ok(()) if is_idle => self.complained.store(false, Ordering::Relaxed),
            _ => {}
        }
    }

    /// Tells what waits, within a bounded time.
    pub(super) async fn close(&self) {
        let open = self.task.lock().take();
        if let Some((inbox, mut task)) = open {
            drop(inbox);
            if tokio::time::timeout(ANSWER_TIMEOUT, &mut task)
                .await
                .is_err()
            {
                task.abort();
            }
        }
    }
}

/// Connects when there is something to tell for the first time.
async fn tell_all(
    nodes: Nodes,
    role: Role,
    topology: Topology,
    mut told: mpsc::Receiver<Outgoing>,
) {
    let mut next = told.recv().await;
    if next.is_none() {
        return;
    }
    let connection = Connection::start(nodes, role, topology);
    let mut channel = None;
    let mut delays = RECONNECT.delays();
    while let Some(outgoing) = &next {
        match write(&connection, &mut channel, outgoing).await {
            Ok(()) => {
                delays.reset();
                next = told.recv().await;
            }
            Err(error) => {
                tracing::debug!(%error, "what was to be told is not told yet");
                tokio::time::sleep(delays.next_delay()).await;
            }
        }
    }
    connection.close().await;
}

/// Returns once it is written. Nobody learns whether the broker took it.
async fn write(
    connection: &Connection,
    channel: &mut Option<PooledChannel>,
    outgoing: &Outgoing,
) -> Result<(), QueueError> {
    let session = connection.connected().await?;
    let channel = match channel {
        Some(channel) if channel.is_open() => channel,
        closed => {
            if closed.take().is_some() {
                // The broker closes a channel that publishes to an exchange that isn't there.
                session.redeclare();
            }
            closed.insert(session.channel().await?)
        }
    };
    let written = channel.basic_publish(
        outgoing.exchange.clone(),
        outgoing.key.clone(),
        BasicPublishOptions::default(),
        &outgoing.body,
        outgoing.properties.clone(),
    );
    tokio::select! {
        written = written => written.map(drop).map_err(failed),
        () = session.lost() => Err(lost()),
    }
}
