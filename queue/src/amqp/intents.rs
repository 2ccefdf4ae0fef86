//! The log of intents: a stream, read by one consumer per log.
//!
//! What a stream shows to its consumers is stored by a majority of its nodes and keeps its offset
//! for good, so that all of them read the same entries in the same order.

use std::collections::HashMap;
use std::future::ready;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use lapin::Acker;
use lapin::options::BasicAckOptions;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::channels::Borrowed;
use super::connection::{Connection, RECONNECT};
use super::entry::Entry;
use super::fault::{NOT_FOUND, answer, words};
use super::place::Place;
use super::publisher::{Letter, Publisher};
use super::subscription::consume;
use super::topology::Topology;
use super::wire;
use crate::{Intent, IntentLog, IntentReader, QueueError};

/// Entries on their way to us.
const PREFETCH: u16 = 1000;

/// A stream's consumer gets as many more as it acknowledges, here at the latest.
const ACK_EVERY: u64 = 100;

/// Ends its reading when it is dropped.
pub(super) struct AmqpIntentLog {
    log: Arc<Log>,
    reading: AbortHandle,
}

struct Log {
    publishing: Arc<Connection>,
    publisher: Arc<Publisher>,
    topology: Arc<Topology>,
    limit: Duration,
    /// Who waits for which entry to be read.
    awaited: Mutex<HashMap<u128, oneshot::Sender<()>>>,
    /// A confirmed entry was not read in time.
    unread: Notify,
}

impl AmqpIntentLog {
    pub(super) fn start(
        (publishing, publisher): (Arc<Connection>, Arc<Publisher>),
        consuming: Arc<Connection>,
        topology: Arc<Topology>,
        limit: Duration,
        reader: Arc<dyn IntentReader>,
        runtime: &Handle,
    ) -> Self {
        let log = Arc::new(Log {
            publishing,
            publisher,
            topology,
            limit,
            awaited: Mutex::default(),
            unread: Notify::new(),
        });
        let reading = runtime.spawn(log.clone().keep_reading(consuming, reader));
        Self {
            log,
            reading: reading.abort_handle(),
        }
    }
}

#[async_trait]
impl IntentLog for AmqpIntentLog {
    async fn append(&self, intent: Intent) -> Result<(), QueueError> {
        self.log.write(Entry::Intent(intent)).await
    }
}

impl Drop for AmqpIntentLog {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Log {
    /// Returns once the entry was read back. What was read is stored, so that a confirm lost
    /// meanwhile is not missed.
    async fn write(&self, entry: Entry) -> Result<(), QueueError> {
        let deadline = Instant::now() + self.limit;
        let mut awaited = Awaited::new(self, entry.id());
        let letter = Letter::intent(&self.topology, entry.encode());
        tokio::select! {
            biased;
            Ok(()) = &mut awaited.read => return Ok(()),
            confirmed = self.publisher.publish(letter) => confirmed?,
        }
        if let Ok(Ok(())) = timeout_at(deadline, &mut awaited.read).await {
            return Ok(());
        }
        self.unread.notify_one();
        Err(QueueError::Unavailable(format!(
            "the intent could not be read back within {:?}",
            self.limit
        )))
    }

    /// Gives every reading an entry to find: its place can then be told after a loss of the
    /// connection, and whether the log is still the one that it was.
    async fn mark(&self) {
        if self.publishing.connected().await.is_ok() {
            // Where it fails, the next append shows how it stands.
            let _ = self.write(Entry::Mark(fastrand::u128(..))).await;
        }
    }

    /// Reads until the queue is closed.
    async fn keep_reading(
        self: Arc<Self>,
        connection: Arc<Connection>,
        reader: Arc<dyn IntentReader>,
    ) {
        let mut place = Place::new(reader);
        let mut delays = RECONNECT.delays();
        loop {
            match connection.connected().await {
                Ok(link) => {
                    let from = place.resume();
                    match consume(&link, &self.topology.intents, PREFETCH, from).await {
                        Ok((deliveries, channel)) => {
                            if self.read(deliveries, &channel, &mut place).await {
                                delays.reset();
                            }
                        }
                        Err(error) => {
                            if error.reply_code() == Some(NOT_FOUND) {
                                link.misses_topology();
                                place.lose();
                            }
                            tracing::warn!(%error, "could not read the log of intents");
                        }
                    }
                }
                Err(error) if error.is_transient() => return,
                // An operator may mend it.
                Err(_) => {}
            }
            tokio::time::sleep(delays.next_delay()).await;
        }
    }

    /// Reads for as long as it goes well; returns whether anything came.
    async fn read(
        &self,
        mut deliveries: lapin::Consumer,
        channel: &Borrowed,
        place: &mut Place,
    ) -> bool {
        let link = channel.link();
        let mut mark = pin!(self.mark());
        let mut is_marked = false;
        let mut quiet_since = Instant::now();
        let mut count = 0;
        let mut unacknowledged = None;
        loop {
            tokio::select! {
                biased;
                delivered = deliveries.next() => match delivered {
                    Some(Ok(delivered)) => {
                        let offset = wire::offset(&delivered.properties);
                        let entry = place.advance(offset, delivered.data);
                        if let Some(read) = entry.and_then(|entry| self.awaited().remove(&entry.id())) {
                            // Whoever waited may have gone.
                            let _ = read.send(());
                        }
                        quiet_since = Instant::now();
                        count += 1;
                        unacknowledged = Some(delivered.acker);
                        if count % ACK_EVERY == 0 {
                            acknowledge(unacknowledged.take()).await;
                        }
                    }
                    Some(Err(error)) => {
                        tracing::warn!(error = %words(&error), "the log of intents is read anew");
                        return count > 0;
                    }
                    None => {
                        tracing::warn!("the broker ended the reading of the log of intents");
                        return count > 0;
                    }
                },
                () = link.lost() => return count > 0,
                () = self.unread.notified() => if quiet_since.elapsed() >= self.limit {
                    tracing::warn!("the log of intents brings nothing: it is read anew");
                    link.raises_doubt();
                    place.doubt();
                    return count > 0;
                },
                () = &mut mark, if !is_marked => is_marked = true,
                // Nothing more at the moment. Kept for long, it would cost us the channel.
                () = ready(()), if unacknowledged.is_some() => acknowledge(unacknowledged.take()).await,
            }
        }
    }

    fn awaited(&self) -> MutexGuard<'_, HashMap<u128, oneshot::Sender<()>>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This one and all before it. An error ends the deliveries as well.
async fn acknowledge(last: Option<Acker>) {
    if let Some(last) = last {
        let all = BasicAckOptions { multiple: true };
        let _ = answer(last.ack(all)).await;
    }
}

/// Waits for an entry to be read, until it is dropped.
struct Awaited<'a> {
    log: &'a Log,
    id: u128,
    read: oneshot::Receiver<()>,
}

impl<'a> Awaited<'a> {
    fn new(log: &'a Log, id: u128) -> Self {
        let (sender, read) = oneshot::channel();
        log.awaited().insert(id, sender);
        Self { log, id, read }
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.log.awaited().remove(&self.id);
    }
}
