//! The log of intents: a stream, read by one consumer per log.
//!
//! What a stream shows to its consumers is stored by a majority of its nodes and keeps its offset
//! for good, so that all of them read the same entries in the same order.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use lapin::Acker;
use lapin::options::BasicAckOptions;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::channels::Borrowed;
use super::connection::{Connection, RECONNECT};
use super::entry::Entry;
use super::fault::{NOT_FOUND, answer, words};
use super::link::Link;
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
        publisher: Arc<Publisher>,
        consuming: Arc<Connection>,
        topology: Arc<Topology>,
        limit: Duration,
        reader: Arc<dyn IntentReader>,
        runtime: &Handle,
    ) -> Self {
        let log = Arc::new(Log {
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
        self.log.append(intent).await
    }
}

impl Drop for AmqpIntentLog {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Log {
    /// Returns once the intent was read back. What was read is stored, so that a confirm lost
    /// meanwhile is not missed.
    async fn append(&self, intent: Intent) -> Result<(), QueueError> {
        let deadline = Instant::now() + self.limit;
        let mut awaited = Awaited::new(self, intent.id);
        tokio::select! {
            biased;
            Ok(()) = &mut awaited.read => return Ok(()),
            confirmed = self.publish(Entry::Intent(intent)) => confirmed?,
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

    async fn publish(&self, entry: Entry) -> Result<(), QueueError> {
        let letter = Letter::intent(&self.topology, entry.encode());
        self.publisher.publish(letter).await
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
                    if self.begin(&link, &mut place).await {
                        delays.reset();
                    }
                }
                Err(error) if error.is_transient() => return,
                // An operator may mend it.
                Err(_) => {}
            }
            tokio::time::sleep(delays.next_delay()).await;
        }
    }

    /// Begins to read, and goes on for as long as that goes well; returns whether anything came.
    async fn begin(&self, link: &Arc<Link>, place: &mut Place) -> bool {
        // Stored before the broker looks for the beginning of what we ask for: where it finds
        // nothing, it takes the end of the log, and finds that a moment later.
        let mark = Entry::Mark(fastrand::u128(..));
        if let Err(error) = self.publish(mark).await {
            if matches!(error, QueueError::Unroutable(_)) {
                place.lose();
            }
            tracing::debug!(%error, "could not mark the log of intents");
            return false;
        }
        match consume(link, &self.topology.intents, PREFETCH, place.resume()).await {
            Ok((deliveries, channel)) => self.read(deliveries, &channel, place, mark).await,
            Err(error) => {
                if error.reply_code() == Some(NOT_FOUND) {
                    link.misses_topology();
                    place.lose();
                }
                tracing::warn!(%error, "could not read the log of intents");
                false
            }
        }
    }

    async fn read(
        &self,
        mut deliveries: lapin::Consumer,
        channel: &Borrowed,
        place: &mut Place,
        mark: Entry,
    ) -> bool {
        let link = channel.link();
        let mut is_marked = false;
        let mut quiet_since = Instant::now();
        let mut count = 0;
        let mut unacknowledged = None;
        loop {
            let brings_nothing = tokio::select! {
                biased;
                delivered = deliveries.next() => match delivered {
                    Some(Ok(delivered)) => {
                        let offset = wire::offset(&delivered.properties);
                        let entry = place.advance(offset, delivered.data);
                        is_marked |= entry == Some(mark);
                        if let Some(read) = entry.and_then(|entry| self.awaited.lock().remove(&entry.id())) {
                            // Whoever waited may have gone.
                            let _ = read.send(());
                        }
                        quiet_since = Instant::now();
                        count += 1;
                        unacknowledged = Some(delivered.acker);
                        if count % ACK_EVERY == 0 {
                            acknowledge(unacknowledged.take()).await;
                        }
                        false
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
                () = self.unread.notified() => quiet_since.elapsed() >= self.limit,
                () = sleep_until(quiet_since + self.limit), if !is_marked => true,
                // Nothing more at the moment. Kept for long, it would cost us the channel.
                () = ready(()), if unacknowledged.is_some() => {
                    acknowledge(unacknowledged.take()).await;
                    false
                }
            };
            if brings_nothing {
                tracing::warn!("the log of intents brings nothing: it is read anew");
                link.raises_doubt();
                place.doubt();
                return count > 0;
            }
        }
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
        log.awaited.lock().insert(id, sender);
        Self { log, id, read }
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.log.awaited.lock().remove(&self.id);
    }
}
