//! The log of intents: a stream, read by one consumer per log.
//!
//! What a stream shows to its consumers is stored by a majority of its nodes and keeps its offset
//! for good, so that all of them read the same entries in the same order.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use lapin::Acker;
use lapin::options::BasicAckOptions;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::client::Client;
use super::connection::RECONNECT;
use super::error::{answer, message};
use super::outgoing::Outgoing;
use super::position::Position;
use super::session::{PooledChannel, Session};
use super::subscription::consume;
use super::wire::{self, Entry};
use crate::{Intent, IntentLog, IntentReader, QueueError};

/// Entries on their way to us.
const PREFETCH: u16 = 1000;

/// A stream's consumer gets as many more as it acknowledges, here at the latest.
const ACK_EVERY: u64 = 100;

/// Stops reading when it is dropped.
pub(super) struct AmqpIntentLog {
    log: Arc<Log>,
    reading: AbortHandle,
}

struct Log {
    client: Arc<Client>,
    /// Who waits for which entry to be read.
    awaited: Mutex<HashMap<u128, oneshot::Sender<()>>>,
    /// A confirmed entry was not read in time.
    unread: Notify,
}

impl AmqpIntentLog {
    pub(super) fn start(
        client: Arc<Client>,
        reader: Arc<dyn IntentReader>,
        runtime: &Handle,
    ) -> Self {
        let log = Arc::new(Log {
            client,
            awaited: Mutex::default(),
            unread: Notify::new(),
        });
        let reading = runtime.spawn(log.clone().keep_reading(reader));
        Self {
            log,
            reading: reading.abort_handle(),
        }
    }
}

#[async_trait]
impl IntentLog for AmqpIntentLog {
    /// Returns once the intent was read back. What was read is stored, so a confirm that was lost
    /// is not needed.
    async fn append(&self, intent: Intent) -> Result<(), QueueError> {
        let limit = self.log.client.publish_timeout;
        let deadline = Instant::now() + limit;
        let mut awaited = Awaited::new(&self.log, intent.id);
        tokio::select! {
            biased;
            Ok(()) = &mut awaited.read => return Ok(()),
            confirmed = self.log.publish(Entry::Intent(intent)) => confirmed?,
        }
        if let Ok(Ok(())) = timeout_at(deadline, &mut awaited.read).await {
            return Ok(());
        }
        self.log.unread.notify_one();
        Err(QueueError::Unavailable(format!(
            "the intent could not be read back within {limit:?}"
        )))
    }
}

impl Drop for AmqpIntentLog {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Log {
    async fn publish(&self, entry: Entry) -> Result<(), QueueError> {
        let outgoing = Outgoing::entry(&self.client.topology, entry);
        self.client.publish(outgoing).await
    }

    /// Reads until the queue is closed.
    async fn keep_reading(self: Arc<Self>, reader: Arc<dyn IntentReader>) {
        let mut position = Position::new(reader);
        let mut delays = RECONNECT.delays();
        loop {
            match self.client.consuming.connected().await {
                Ok(session) => {
                    if self.begin(&session, &mut position).await {
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
    async fn begin(&self, session: &Arc<Session>, position: &mut Position) -> bool {
        // Stored before the broker looks for the place where we begin: if it finds nothing there, it
        // takes the end of the log, as it is a moment later.
        let mark = Entry::Mark(fastrand::u128(..));
        if let Err(error) = self.publish(mark).await {
            if matches!(error, QueueError::Unroutable(_)) {
                position.lose();
            }
            tracing::debug!(%error, "could not mark the log of intents");
            return false;
        }
        let intents = &self.client.topology.intents;
        match consume(session, intents, PREFETCH, position.resume()).await {
            Ok((deliveries, channel)) => self.read(deliveries, &channel, position, mark).await,
            Err(error) => {
                if error.is_not_found() {
                    session.redeclare();
                    position.lose();
                }
                tracing::warn!(%error, "could not read the log of intents");
                false
            }
        }
    }

    async fn read(
        &self,
        mut deliveries: lapin::Consumer,
        channel: &PooledChannel,
        position: &mut Position,
        mark: Entry,
    ) -> bool {
        let session = channel.session();
        let limit = self.client.publish_timeout;
        let mut is_marked = false;
        let mut quiet_since = Instant::now();
        let mut count = 0;
        let mut unacknowledged = None;
        loop {
            let is_stuck = tokio::select! {
                biased;
                delivered = deliveries.next() => match delivered {
                    Some(Ok(delivered)) => {
                        let offset = wire::offset(&delivered.properties);
                        let entry = position.advance(offset, delivered.data);
                        is_marked |= entry == Some(mark);
                        if let Some(read) = entry.and_then(|entry| self.awaited.lock().remove(&entry.id())) {
                            // The caller may have gone.
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
                        tracing::warn!(error = %message(&error), "reading the log of intents again");
                        return count > 0;
                    }
                    None => {
                        tracing::warn!("the broker stopped sending the log of intents");
                        return count > 0;
                    }
                },
                () = session.lost() => return count > 0,
                () = self.unread.notified() => quiet_since.elapsed() >= limit,
                () = sleep_until(quiet_since + limit), if !is_marked => true,
                // Nothing more at the moment. If we held on to these, the broker would close the
                // channel after a while.
                () = ready(()), if unacknowledged.is_some() => {
                    acknowledge(unacknowledged.take()).await;
                    false
                }
            };
            if is_stuck {
                tracing::warn!("the log of intents sends nothing: reading it again");
                session.check();
                position.suspect();
                return count > 0;
            }
        }
    }
}

/// Acknowledges this one and all before it. An error ends the deliveries as well.
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
