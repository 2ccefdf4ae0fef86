//! Ending a delivery.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use jiff::Timestamp;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions};

use super::channels::Borrowed;
use super::fault::answer;
use super::publisher::{Letter, Publisher};
use super::topology::Topology;
use crate::traits::Settle;
use crate::{Cause, QueueError, RawMessage};

const BACK: BasicNackOptions = BasicNackOptions {
    multiple: false,
    requeue: true,
};

/// What a delivery of this consumer needs to end. The channel lives as long as one of them, also
/// when its consumer is gone.
pub(super) struct AmqpSettle {
    pub(super) acker: Acker,
    pub(super) channel: Arc<Borrowed>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) topology: Arc<Topology>,
}

/// Gives a message back that nobody looked at, without waiting, and without a runtime: the first
/// poll hands the nack to lapin.
pub(super) fn give_back(acker: &Acker) {
    let _ = acker.nack(BACK).now_or_never();
}

impl AmqpSettle {
    /// Puts the message elsewhere before it leaves the queue. Of one that is somebody else's by now
    /// there would be two.
    async fn replace(self: Box<Self>, letter: Letter) -> Result<(), QueueError> {
        if self.is_lost() {
            return Err(lost());
        }
        self.publisher.publish(letter).await?;
        self.ack().await
    }
}

fn lost() -> QueueError {
    QueueError::LeaseLost("its channel is gone".to_owned())
}

#[async_trait]
impl Settle for AmqpSettle {
    async fn ack(self: Box<Self>) -> Result<(), QueueError> {
        written(self.acker.ack(BasicAckOptions::default())).await
    }

    async fn dead_letter(
        self: Box<Self>,
        message: &RawMessage,
        cause: &Cause,
        died_at: Timestamp,
    ) -> Result<(), QueueError> {
        let letter = Letter::dead(&self.topology, message, cause, died_at);
        self.replace(letter).await
    }

    async fn panicked(self: Box<Self>, message: &RawMessage) -> Result<(), QueueError> {
        let letter = Letter::request(&self.topology, message.after_panic());
        self.replace(letter).await
    }

    async fn release(self: Box<Self>) -> Result<(), QueueError> {
        written(self.acker.nack(BACK)).await
    }

    fn is_lost(&self) -> bool {
        self.acker.poisoned() || !self.channel.is_open()
    }
}

/// Whatever was cut short, the message goes back; lapin does nothing where it was settled. From
/// version 4.3 the broker counts a reject as a failed delivery, and a nack not.
impl Drop for AmqpSettle {
    fn drop(&mut self) {
        let back = BasicRejectOptions { requeue: true };
        let _ = self.acker.reject(back).now_or_never();
    }
}

/// Waits until the frame is on its way; the broker doesn't answer it.
async fn written(sent: impl Future<Output = lapin::Result<bool>>) -> Result<(), QueueError> {
    match answer(sent).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(lost()),
        Err(error) => Err(QueueError::LeaseLost(error.to_string())),
    }
}
