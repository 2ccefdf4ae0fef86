//! A consumer that outlives its connections.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use lapin::types::ShortString;

use super::channels::Borrowed;
use super::connection::{Connection, RECONNECT};
use super::fault::NOT_FOUND;
use super::publisher::Publisher;
use super::settle::AmqpSettle;
use super::subscription::Subscription;
use super::topology::Topology;
use super::wire;
use crate::{Consumer, Delivery, QueueError};

/// Hands out deliveries; subscribes again whenever its channel is gone.
pub(super) struct AmqpConsumer {
    connection: Arc<Connection>,
    publisher: Arc<Publisher>,
    topology: Arc<Topology>,
    prefetch: u16,
    state: State,
}

enum State {
    /// Kept here rather than in [`Consumer::next`], so that it goes on where that is given up.
    Subscribing(BoxFuture<'static, Result<Subscription, QueueError>>),
    Subscribed(Subscription),
    Stopped,
}

impl AmqpConsumer {
    pub(super) fn new(
        connection: Arc<Connection>,
        publisher: Arc<Publisher>,
        topology: Arc<Topology>,
        prefetch: u16,
    ) -> Self {
        let mut consumer = Self {
            connection,
            publisher,
            topology,
            // None at all would mean no limit to AMQP.
            prefetch: prefetch.max(1),
            state: State::Stopped,
        };
        consumer.subscribe();
        consumer
    }

    fn subscribe(&mut self) {
        let queue = self.topology.queue.clone();
        let subscribing = subscribe(self.connection.clone(), queue, self.prefetch);
        let former = self.enter(State::Subscribing(Box::pin(subscribing)));
        end_in_background(former);
    }

    /// Enters the state and returns the subscription of the former one.
    fn enter(&mut self, state: State) -> Option<Subscription> {
        match std::mem::replace(&mut self.state, state) {
            State::Subscribed(subscription) => Some(subscription),
            State::Subscribing(_) | State::Stopped => None,
        }
    }

    fn delivery(&self, delivered: lapin::message::Delivery, channel: Arc<Borrowed>) -> Delivery {
        let properties = delivered.properties;
        let settle = AmqpSettle {
            acker: delivered.acker,
            channel,
            publisher: self.publisher.clone(),
            topology: self.topology.clone(),
        };
        Delivery::new(
            wire::message(&properties, delivered.data),
            delivered.redelivered,
            wire::delivery_count(&properties),
            Box::new(settle),
        )
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
                    Some((delivered, channel)) => return Ok(self.delivery(delivered, channel)),
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
        if let Some(subscription) = self.enter(State::Stopped) {
            subscription.end().await;
        }
    }
}

impl Drop for AmqpConsumer {
    fn drop(&mut self) {
        end_in_background(self.enter(State::Stopped));
    }
}

fn end_in_background(subscription: Option<Subscription>) {
    if let Some(subscription) = subscription {
        let runtime = subscription.runtime().clone();
        runtime.spawn(subscription.end());
    }
}

/// Subscribes, as often as it takes.
async fn subscribe(
    connection: Arc<Connection>,
    queue: ShortString,
    prefetch: u16,
) -> Result<Subscription, QueueError> {
    let mut delays = RECONNECT.delays();
    loop {
        let link = connection.connected().await?;
        match Subscription::begin(&link, &queue, prefetch).await {
            Ok(subscription) => return Ok(subscription),
            Err(error) => {
                if error.reply_code() == Some(NOT_FOUND) {
                    link.misses_topology();
                }
                tracing::warn!(%error, "could not subscribe to the queue");
            }
        }
        tokio::time::sleep(delays.next_delay()).await;
    }
}
