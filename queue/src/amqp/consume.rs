//! A consumer that outlives its connections, and its deliveries.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use lapin::Acker;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
    BasicRejectOptions,
};
use lapin::types::{FieldTable, ShortString};
use tokio::time::{Instant, sleep_until};

use super::client::Client;
use super::connection::RECONNECT;
use super::error::{ANSWER_TIMEOUT, BrokerError, answer, message};
use super::outgoing::Outgoing;
use super::session::{PooledChannel, Session};
use super::wire;
use crate::traits::Settle;
use crate::{Cause, Consumer, Delivery, QueueError, RawMessage};

/// A subscription that has brought nothing for this long is replaced. RabbitMQ 3 forgets the
/// consumers of a queue that is deleted and declared again at once: it lists them, counts messages
/// as delivered to them, and sends nothing.
const RENEW_AFTER: Duration = Duration::from_secs(15);

const REQUEUE: BasicNackOptions = BasicNackOptions {
    multiple: false,
    requeue: true,
};

/// Hands out deliveries; subscribes again whenever its channel is gone.
pub(super) struct AmqpConsumer {
    client: Arc<Client>,
    prefetch: u16,
    state: State,
}

enum State {
    /// Kept here rather than in [`Consumer::next`], so that it goes on if that is dropped.
    Subscribing(BoxFuture<'static, Result<Subscription, QueueError>>),
    Subscribed(Subscription),
    Stopped,
}

impl AmqpConsumer {
    pub(super) fn new(client: Arc<Client>, prefetch: u16) -> Self {
        let mut consumer = Self {
            client,
            // To AMQP, zero means no limit.
            prefetch: prefetch.max(1),
            state: State::Stopped,
        };
        consumer.subscribe();
        consumer
    }

    fn subscribe(&mut self) {
        let subscribing = subscribe(self.client.clone(), self.prefetch);
        self.leave_for(State::Subscribing(Box::pin(subscribing)));
    }

    /// Enters the state, and ends a former subscription in the background.
    fn leave_for(&mut self, state: State) {
        if let State::Subscribed(subscription) = std::mem::replace(&mut self.state, state) {
            let runtime = subscription.channel.session().runtime.clone();
            runtime.spawn(subscription.end());
        }
    }
}

#[async_trait]
impl Consumer for AmqpConsumer {
    async fn next(&mut self) -> Result<Delivery, QueueError> {
        loop {
            match &mut self.state {
                State::Subscribing(subscribing) => match subscribing.await {
                    Ok(subscription) => self.state = State::Subscribed(subscription),
                    Err(error) => {
                        self.subscribe();
                        return Err(error);
                    }
                },
                State::Subscribed(subscription) => match subscription.next().await {
                    Some(delivered) => {
                        let properties = delivered.properties;
                        let settle = AmqpSettle {
                            acker: delivered.acker,
                            channel: subscription.channel.clone(),
                            client: self.client.clone(),
                        };
                        return Ok(Delivery::new(
                            wire::message(&properties, delivered.data),
                            delivered.redelivered,
                            wire::delivery_count(&properties),
                            Box::new(settle),
                        ));
                    }
                    None => self.subscribe(),
                },
                State::Stopped => {
                    return Err(QueueError::Unavailable(
                        "the consumer was stopped".to_owned(),
                    ));
                }
            }
        }
    }

    async fn stop(&mut self) {
        let former = std::mem::replace(&mut self.state, State::Stopped);
        if let State::Subscribed(subscription) = former {
            subscription.end().await;
        }
    }
}

impl Drop for AmqpConsumer {
    fn drop(&mut self) {
        self.leave_for(State::Stopped);
    }
}

/// Subscribes, as often as it takes.
async fn subscribe(client: Arc<Client>, prefetch: u16) -> Result<Subscription, QueueError> {
    let mut delays = RECONNECT.delays();
    loop {
        let session = client.consuming.connected().await?;
        let subscribing = consume(
            &session,
            &client.topology.queue,
            prefetch,
            FieldTable::default(),
        );
        match subscribing.await {
            Ok((deliveries, channel)) => {
                return Ok(Subscription {
                    deliveries,
                    channel: Arc::new(channel),
                    renew_at: Instant::now() + RENEW_AFTER,
                });
            }
            Err(error) => {
                if error.is_not_found() {
                    session.redeclare();
                }
                tracing::warn!(%error, "could not subscribe to the queue");
            }
        }
        tokio::time::sleep(delays.next_delay()).await;
    }
}

/// Deliveries of `queue`, on a channel of their own.
pub(super) async fn consume(
    session: &Arc<Session>,
    queue: &ShortString,
    prefetch: u16,
    arguments: FieldTable,
) -> Result<(lapin::Consumer, PooledChannel), BrokerError> {
    let channel = tokio::time::timeout(ANSWER_TIMEOUT, session.channel())
        .await
        .unwrap_or(Err(BrokerError::TimedOut(ANSWER_TIMEOUT)))?;
    answer(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
    let consume = channel.basic_consume(
        queue.clone(),
        ShortString::default(),
        BasicConsumeOptions::default(),
        arguments,
    );
    Ok((answer(consume).await?, channel))
}

/// One subscription to the queue, which lasts no longer than its channel.
struct Subscription {
    deliveries: lapin::Consumer,
    /// Shared with the deliveries, which are lost with it.
    channel: Arc<PooledChannel>,
    renew_at: Instant,
}

impl Subscription {
    /// The next delivery, or `None` if it takes a new subscription. Cancel safe.
    async fn next(&mut self) -> Option<lapin::message::Delivery> {
        let session = self.channel.session().clone();
        loop {
            tokio::select! {
                biased;
                delivered = self.deliveries.next() => match delivered {
                    Some(Ok(delivered)) => {
                        self.renew_at = Instant::now() + RENEW_AFTER;
                        return Some(delivered);
                    }
                    Some(Err(error)) => {
                        tracing::warn!(error = %message(&error), "the subscription was lost");
                        return None;
                    }
                    None => {
                        tracing::warn!("the broker ended the subscription");
                        return None;
                    }
                },
                () = session.lost() => return None,
                () = sleep_until(self.renew_at) => {
                    // The prefetch holds for each channel: deliveries that are out on this one would
                    // come on top.
                    if Arc::strong_count(&self.channel) == 1 {
                        return None;
                    }
                    self.renew_at = Instant::now() + RENEW_AFTER;
                }
            }
        }
    }

    /// Takes no more deliveries, and gives back those that nobody has asked for yet.
    async fn end(mut self) {
        let tag = self.deliveries.tag();
        let cancel = self
            .channel
            .basic_cancel(tag, BasicCancelOptions::default());
        if answer(cancel).await.is_err() {
            // The channel is gone, and with it what was on it.
            return;
        }
        let rest = async {
            while let Some(Ok(delivered)) = self.deliveries.next().await {
                // The first poll hands the nack to lapin.
                let _ = delivered.acker.nack(REQUEUE).now_or_never();
            }
        };
        // lapin ends the stream with the cancel.
        let _ = tokio::time::timeout(ANSWER_TIMEOUT, rest).await;
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
        let again = Outgoing::request(&self.client.topology, message.after_panic());
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
