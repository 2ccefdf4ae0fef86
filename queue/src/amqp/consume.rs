//! A consumer of a lane, and its deliveries.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use jiff::Timestamp;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicRejectOptions};
use lapin::types::ShortString;

use super::client::Client;
use super::error::answer;
use super::outgoing::Outgoing;
use super::session::PooledChannel;
use super::subscription::{Place, REQUEUE, Subscriber};
use super::wire;
use crate::traits::Settle;
use crate::{Cause, Consumer, Delivery, QueueError, RawMessage};

pub(super) struct AmqpConsumer(Subscriber);

impl AmqpConsumer {
    pub(super) fn new(client: Arc<Client>, queue: ShortString, prefetch: u16) -> Self {
        Self(Subscriber::new(client, queue, prefetch, Place::Front))
    }
}

#[async_trait]
impl Consumer for AmqpConsumer {
    async fn next(&mut self) -> Result<Delivery, QueueError> {
        let (delivered, channel) = self.0.next().await?;
        let properties = delivered.properties;
        let settle = AmqpSettle {
            acker: delivered.acker,
            channel,
            client: self.0.client.clone(),
        };
        Ok(Delivery::new(
            wire::message(&properties, delivered.data),
            delivered.redelivered,
            wire::delivery_count(&properties),
            Box::new(settle),
        ))
    }

    async fn stop(&mut self) {
        self.0.stop().await;
    }
}

/// Ends one delivery. Its channel stays open for it, even if its consumer is gone.
struct AmqpSettle {
    acker: Acker,
    channel: Arc<PooledChannel>,
    client: Arc<Client>,
}

impl AmqpSettle {
    /// Puts the message elsewhere before it leaves the queue. Not if it is somebody else's by now:
    /// there would be two of it.
    async fn replace(self: Box<Self>, by: Outgoing) -> Result<(), QueueError> {
        if self.is_lost() {
            return Err(lost());
        }
        self.client.publish(by).await?;
        self.ack().await
    }
}

fn lost() -> QueueError {
    QueueError::DeliveryLost("its channel is gone".to_owned())
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
        let dead = Outgoing::dead_letter(&self.client.topology, message, cause, died_at);
        self.replace(dead).await
    }

    async fn panicked(self: Box<Self>, message: &RawMessage) -> Result<(), QueueError> {
        let (lane, again) = (message.lane_again(), message.after_panic());
        let again = Outgoing::message(&self.client.topology, lane, again);
        self.replace(again).await
    }

    async fn release(self: Box<Self>) -> Result<(), QueueError> {
        written(self.acker.nack(REQUEUE)).await
    }

    fn is_lost(&self) -> bool {
        self.acker.poisoned() || !self.channel.is_open()
    }
}

/// However it was cut short, the message goes back; if it was settled, lapin does nothing. From
/// version 4.3 on the broker counts a reject as a failed delivery, and a nack not.
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
        Err(error) => Err(QueueError::DeliveryLost(error.to_string())),
    }
}
