//! What every backend does. The conformance suite in `tests/` holds each to the same semantics.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    Cause, Content, DeadLetter, DeadLetterId, Filter, IntentLog, IntentReader, Lane, Listed,
    Message, QueueError, RawMessage, Settlement,
};

/// Publishes messages, each into its lane, durably.
#[async_trait]
pub trait Publish: Send + Sync {
    /// Returns once the message is durable. Many may be under way at once, and nothing is lost if
    /// the future is dropped: the message is then published or not.
    ///
    /// # Errors
    /// The message is not known to be durable.
    async fn publish(&self, message: &Message) -> Result<(), QueueError>;
}

/// Delivers messages to one consumer.
#[async_trait]
pub trait Consumer: Send {
    /// Waits for the next delivery. At most the prefetch is out at a time. Lost connections are
    /// repaired. Cancel safe.
    ///
    /// # Errors
    /// Reconnecting won't help, as with [`QueueError::Mismatch`].
    async fn next(&mut self) -> Result<Delivery, QueueError>;

    /// Takes no more: messages that were not handed out yet go to other consumers at once. Deliveries
    /// that were stay valid until they are settled, as long as the consumer lives.
    async fn stop(&mut self) {}
}

/// What was told of callers, for those who only listen.
#[async_trait]
pub trait History: Send {
    /// Waits for the next: [`Content::Redirected`], perhaps in parts, or [`Content::Outcome`], oldest first. Lost
    /// connections are repaired; if what is kept was lost as well, some may come again. Cancel safe.
    ///
    /// # Errors
    /// Reconnecting won't help.
    async fn next(&mut self) -> Result<Content, QueueError>;
}

/// What processes say of themselves while somebody watches.
#[async_trait]
pub trait Watch: Send {
    /// Waits for the next report, in the form that the process gave it. Cancel safe.
    ///
    /// # Errors
    /// The queue can't be asked now.
    async fn next(&mut self) -> Result<Vec<u8>, QueueError>;
}

/// Gives what a process says of itself.
pub type Report = Arc<dyn Fn() -> Vec<u8> + Send + Sync>;

/// Is told of each dead letter that was replayed or discarded.
pub type Done<'a> = &'a mut (dyn FnMut(DeadLetterId) + Send);

/// The dead letters, for an operator.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Up to `limit` of those that match, oldest first. They stay where they are.
    ///
    /// # Errors
    /// The queue can't be read, or another process is at the dead letters ([`QueueError::Busy`]).
    async fn oldest(&self, filter: &Filter, limit: usize) -> Result<Listed, QueueError>;

    /// Replays or discards those that match, and tells `done` of each. A letter that is replayed is
    /// durable on the queue before it leaves the dead letters: if this is interrupted, it may be
    /// published twice, but is never lost. A request is marked with the time of the replay.
    ///
    /// # Errors
    /// As [`DeadLetters::oldest`], or a message could not be published. What `done` was told is done.
    async fn settle(
        &self,
        filter: &Filter,
        how: Settlement,
        done: Done<'_>,
    ) -> Result<(), QueueError>;

    /// All that match, as [`DeadLetters::oldest`].
    ///
    /// # Errors
    /// As [`DeadLetters::oldest`].
    async fn list(&self, filter: &Filter) -> Result<Vec<DeadLetter>, QueueError> {
        Ok(self.oldest(filter, usize::MAX).await?.letters)
    }

    /// Moves those that match back to the queue, and returns their IDs.
    ///
    /// # Errors
    /// As [`DeadLetters::settle`].
    async fn replay(&self, filter: &Filter) -> Result<Vec<DeadLetterId>, QueueError> {
        let mut ids = Vec::new();
        self.settle(filter, Settlement::Replay, &mut |id| ids.push(id))
            .await?;
        Ok(ids)
    }

    /// Removes those that match for good, and returns their IDs.
    ///
    /// # Errors
    /// As [`DeadLetters::settle`].
    async fn discard(&self, filter: &Filter) -> Result<Vec<DeadLetterId>, QueueError> {
        let mut ids = Vec::new();
        self.settle(filter, Settlement::Discard, &mut |id| ids.push(id))
            .await?;
        Ok(ids)
    }
}

/// Held while doing what only one process at a time may do, such as sweeping. Released soon after it
/// is dropped, and when its holder dies.
pub trait Lock: Send + Sync {
    /// Whether it was lost, as with the connection.
    fn is_lost(&self) -> bool;
}

/// How the requests on the queue stand, and all dead letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages ready for a consumer.
    pub ready: u64,
    /// Messages delivered and not settled yet, if the backend can tell.
    pub unacked: Option<u64>,
    /// Consumers at the queue, in all processes. SQLite counts the one process that consumes.
    pub consumers: u64,
    /// Dead letters.
    pub dead: u64,
    /// Messages of other lanes, delivered or not, if the backend can tell.
    pub other_lanes: Option<u64>,
    /// When the oldest request was published, delivered or not, if the backend can tell.
    pub oldest: Option<Timestamp>,
}

/// Whether the queue can be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Yes.
    Up,
    /// No, for this reason; it is being reconnected.
    Down(String),
    /// No, for this reason, and only an operator can mend it.
    Broken(String),
}

/// One queue, whichever backend is behind it.
#[async_trait]
pub trait Queue: Publish + DeadLetters {
    /// Whether this process would consume, and another does. It asks nobody.
    fn stands_by(&self) -> bool {
        false
    }

    /// A consumer of this lane with up to `prefetch` deliveries out at a time. Outcomes go to one
    /// consumer at a time, in whichever process; the others stand by.
    ///
    /// # Errors
    /// Reconnecting won't help.
    async fn consume(&self, lane: Lane, prefetch: u16) -> Result<Box<dyn Consumer>, QueueError>;

    /// Tells those who listen, users' own consumers of outcomes among them, best effort: whoever doesn't
    /// take it misses it, and holds up nobody. Only for [`Content::Redirected`] or [`Content::Outcome`].
    async fn tell(&self, told: &Content);

    /// What was told in the `past`, perhaps a minute more, as far as it is kept, and then whatever
    /// follows.
    ///
    /// # Errors
    /// The queue can't be asked now.
    async fn history(&self, past: Duration) -> Result<Box<dyn History>, QueueError>;

    /// Takes the lock `name`, or returns `None` at once if somebody has it.
    ///
    /// # Errors
    /// The queue can't be asked now.
    async fn try_lock(&self, name: &str) -> Result<Option<Box<dyn Lock>>, QueueError>;

    /// From now on, while somebody watches, says about once a second what `report` gives, and once more
    /// when the queue is closed. It takes the place of an earlier one. Nothing of that is kept, and it
    /// holds up nobody.
    fn report(&self, report: Report);

    /// Watches, until it is dropped.
    ///
    /// # Errors
    /// The queue can't be asked now.
    async fn watch(&self) -> Result<Box<dyn Watch>, QueueError>;

    /// The log of intents. From now on `reader` is told first what was appended in the past
    /// [`READ_BACK`](crate::READ_BACK) at least, then whatever follows. Several readers don't disturb
    /// each other. If the broker is away, reading begins when it is back.
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
    /// How many deliveries before this one count towards the limit.
    pub delivery_count: u32,
    settle: Box<dyn Settle>,
}

impl Delivery {
    /// A delivery that its backend ends by `settle`.
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

    /// It can't be done: it becomes a dead letter, and is durable there before it leaves the queue.
    ///
    /// # Errors
    /// It could not be stored there; it is released.
    pub async fn dead_letter(self, cause: &Cause) -> Result<(), QueueError> {
        let died_at = Timestamp::now();
        self.settle.dead_letter(&self.message, cause, died_at).await
    }

    /// Its consumer panicked over it: it goes to the end of the queue with one more
    /// [`RawMessage::panics`], not flagged redelivered. It is durable there before this delivery is
    /// gone. The delivery count would not do, as it counts lost connections as well.
    ///
    /// # Errors
    /// It could not be published again; it is released.
    pub async fn panicked(self) -> Result<(), QueueError> {
        self.settle.panicked(&self.message).await
    }

    /// Goes back to the queue at once, for any consumer, flagged redelivered. It doesn't count towards
    /// the delivery limit if the backend can tell it from a consumer that died; RabbitMQ can from
    /// version 4.3 on.
    ///
    /// # Errors
    /// The delivery was lost before: it goes back anyway.
    pub async fn release(self) -> Result<(), QueueError> {
        self.settle.release().await
    }

    /// Whether it was lost meanwhile: somebody else may be working on it.
    pub fn is_lost(&self) -> bool {
        self.settle.is_lost()
    }
}

/// How a backend ends a delivery. Dropped before that, perhaps outside a runtime, it gives the message
/// back without waiting.
#[async_trait]
pub(crate) trait Settle: Send + Sync {
    async fn ack(self: Box<Self>) -> Result<(), QueueError>;

    /// Releases the delivery on an error.
    async fn dead_letter(
        self: Box<Self>,
        message: &RawMessage,
        cause: &Cause,
        died_at: Timestamp,
    ) -> Result<(), QueueError>;

    /// Releases the delivery on an error.
    async fn panicked(self: Box<Self>, message: &RawMessage) -> Result<(), QueueError>;

    async fn release(self: Box<Self>) -> Result<(), QueueError>;

    fn is_lost(&self) -> bool;
}
