//! What every backend does. The conformance suite in `tests/` holds each to the same semantics.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    Cause, DeadLetter, DeadLetterId, Filter, IntentLog, IntentReader, Listed, Message, QueueError,
    RawMessage, Settlement,
};

/// Takes requests, durably.
#[async_trait]
pub trait Publish: Send + Sync {
    /// Returns once the message is durable. Many may be under way at once, and nothing is lost if
    /// the future is dropped: the message is then published or not.
    ///
    /// # Errors
    /// The message is not known to be durable.
    async fn publish(&self, message: &Message) -> Result<(), QueueError>;
}

/// Hands deliveries to one consumer.
#[async_trait]
pub trait Consumer: Send {
    /// The next delivery, waiting for one. At most the prefetch is out at a time. A lost
    /// connection is repaired inside. Cancel safe.
    ///
    /// # Errors
    /// Only what no reconnecting mends, such as [`QueueError::Mismatch`].
    async fn next(&mut self) -> Result<Delivery, QueueError>;

    /// Takes no more: what was not handed out yet goes to other consumers at once. Deliveries
    /// handed out before stay valid until they are settled, as long as the consumer lives.
    async fn stop(&mut self) {}
}

/// Told of each dead letter that something was done to.
pub type Done<'a> = &'a mut (dyn FnMut(DeadLetterId) + Send);

/// The dead letters, for an operator.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Those that match, oldest first, without taking them; no more than `limit`.
    ///
    /// # Errors
    /// The queue can't be read, or another process is at the dead letters ([`QueueError::Busy`]).
    async fn oldest(&self, filter: &Filter, limit: usize) -> Result<Listed, QueueError>;

    /// Does `how` to those that match, and tells `done` of each. A letter that is replayed is durable
    /// on the queue before it leaves the dead letters: interrupted and done again, it may be published
    /// twice, never be lost. A request is marked with the time of the replay.
    ///
    /// # Errors
    /// As [`DeadLetters::oldest`], or a message could not be published. What was told is done.
    async fn settle(
        &self,
        filter: &Filter,
        how: Settlement,
        done: Done<'_>,
    ) -> Result<(), QueueError>;

    /// All that match, as [`DeadLetters::oldest`].
    ///
    /// # Errors
    /// As there.
    async fn list(&self, filter: &Filter) -> Result<Vec<DeadLetter>, QueueError> {
        Ok(self.oldest(filter, usize::MAX).await?.letters)
    }

    /// Moves those that match back to the queue, as [`DeadLetters::settle`], and names them.
    ///
    /// # Errors
    /// As there.
    async fn replay(&self, filter: &Filter) -> Result<Vec<DeadLetterId>, QueueError> {
        let mut ids = Vec::new();
        self.settle(filter, Settlement::Replay, &mut |id| ids.push(id))
            .await?;
        Ok(ids)
    }

    /// Removes those that match for good, as [`DeadLetters::settle`], and names them.
    ///
    /// # Errors
    /// As there.
    async fn discard(&self, filter: &Filter) -> Result<Vec<DeadLetterId>, QueueError> {
        let mut ids = Vec::new();
        self.settle(filter, Settlement::Discard, &mut |id| ids.push(id))
            .await?;
        Ok(ids)
    }
}

/// The right to do what only one process at a time may do, such as to sweep. Released soon after it
/// is dropped, and when its holder dies.
pub trait Lock: Send + Sync {
    /// Whether it was lost, with the connection or because its holder was taken for dead.
    fn is_lost(&self) -> bool;
}

/// How the queue stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages ready for a consumer.
    pub ready: u64,
    /// Messages delivered and not settled yet, if the backend can tell.
    pub unacked: Option<u64>,
    /// Consumers at the queue, of all processes.
    pub consumers: u64,
    /// Dead letters.
    pub dead: u64,
    /// When the oldest message was published, delivered or not, if the backend can tell.
    pub oldest: Option<Timestamp>,
}

/// Whether the queue can be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Up,
    /// It can't, but it is being reconnected; with the reason.
    Down(String),
    /// It can't, and only an operator mends it; with the reason.
    Broken(String),
}

/// One queue, whichever backend is behind it.
#[async_trait]
pub trait Queue: Publish + DeadLetters {
    /// A consumer with up to `prefetch` deliveries out at a time.
    ///
    /// # Errors
    /// Only what no reconnecting mends.
    async fn consume(&self, prefetch: u16) -> Result<Box<dyn Consumer>, QueueError>;

    /// Takes the lock `name`, or returns `None` at once if somebody has it.
    ///
    /// # Errors
    /// The queue can't be asked now.
    async fn try_lock(&self, name: &str) -> Result<Option<Box<dyn Lock>>, QueueError>;

    /// The log of intents, read by `reader` from now on: first what was appended in the past
    /// [`READ_BACK`](crate::READ_BACK) at least, then whatever follows. Each has its own place in
    /// the log. A broker that is away is waited for.
    fn intents(&self, reader: Arc<dyn IntentReader>) -> Arc<dyn IntentLog>;

    /// How the queue stands now.
    ///
    /// # Errors
    /// The queue can't be asked now.
    async fn stats(&self) -> Result<Stats, QueueError>;

    /// Whether the queue can be used, as last seen; asks nobody.
    fn health(&self) -> Health;

    /// Releases locks and disconnects. Deliveries not settled by now are redelivered.
    async fn close(&self);
}

/// One message, this consumer's until it is settled. Dropped unsettled, it goes back as if its
/// consumer had died.
pub struct Delivery {
    /// What was delivered.
    pub message: RawMessage,
    /// Whether it was delivered before: somebody may have acted on it.
    pub redelivered: bool,
    /// How many times it was delivered before, of those that count.
    pub delivery_count: u32,
    settle: Box<dyn Settle>,
}

impl Delivery {
    /// A delivery that a backend settles by `settle`.
    pub(crate) fn new(
        message: RawMessage,
        redelivered: bool,
        delivery_count: u32,
        settle: Box<dyn Settle>,
    ) -> Self {
        Self {
            message,
            redelivered,
            delivery_count,
            settle,
        }
    }

    /// It is done: the queue forgets it.
    ///
    /// # Errors
    /// The delivery was lost before: it comes again.
    pub async fn ack(self) -> Result<(), QueueError> {
        self.settle.ack().await
    }

    /// It can't be done: kept among the dead letters, durable there before it leaves the queue.
    ///
    /// # Errors
    /// It could not be kept there; it is released.
    pub async fn dead_letter(self, cause: &Cause) -> Result<(), QueueError> {
        let died_at = Timestamp::now();
        self.settle.dead_letter(&self.message, cause, died_at).await
    }

    /// Its consumer panicked over it: to the end of the queue with [`RawMessage::panics`] one more,
    /// durable there before this delivery is gone, and not flagged redelivered. The count of
    /// deliveries would be no measure: it counts lost connections as well.
    ///
    /// # Errors
    /// It could not be published again; it is released.
    pub async fn panicked(self) -> Result<(), QueueError> {
        self.settle.panicked(&self.message).await
    }

    /// Back to the queue at once, for any consumer, flagged redelivered: an orderly return, which
    /// does not count towards the delivery limit where the backend can tell it from a consumer that
    /// died. RabbitMQ counts it before version 4.3.
    ///
    /// # Errors
    /// The delivery was lost before: it goes back anyway.
    pub async fn release(self) -> Result<(), QueueError> {
        self.settle.release().await
    }

    /// Whether it was lost meanwhile: somebody else may be at it.
    pub fn is_lost(&self) -> bool {
        self.settle.is_lost()
    }
}

/// How a backend ends a delivery. Dropped before that, it gives the message back without waiting,
/// perhaps outside a runtime.
#[async_trait]
pub(crate) trait Settle: Send + Sync {
    async fn ack(self: Box<Self>) -> Result<(), QueueError>;

    /// On an error the implementation has released the delivery.
    async fn dead_letter(
        self: Box<Self>,
        message: &RawMessage,
        cause: &Cause,
        died_at: Timestamp,
    ) -> Result<(), QueueError>;

    /// On an error the implementation has released the delivery.
    async fn panicked(self: Box<Self>, message: &RawMessage) -> Result<(), QueueError>;

    async fn release(self: Box<Self>) -> Result<(), QueueError>;

    fn is_lost(&self) -> bool;
}
