//! A subscription that outlives its connections.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use tokio::time::{Instant, sleep_until};

use super::client::Client;
use super::connection::RECONNECT;
use super::error::{ANSWER_TIMEOUT, BrokerError, answer, message};
use super::session::{PooledChannel, Session};
use super::wire;
use crate::QueueError;

/// A subscription that has brought nothing for this long is replaced. RabbitMQ 3 forgets the
/// consumers of a queue that is deleted and declared again at once: it lists them, counts messages
/// as delivered to them, and sends nothing.
const RENEW_AFTER: Duration = Duration::from_secs(15);

/// The broker goes by its own clock, and by another node's after a change of leader.
pub(super) const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

pub(super) const REQUEUE: BasicNackOptions = BasicNackOptions {
    multiple: false,
    requeue: true,
};

/// Where a subscription begins.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// At the front of a queue.
    Front,
    /// In a stream, with what came in the time before then.
    Past(Duration, Instant),
    /// In a stream, at this offset, which was read then.
    Offset(i64, Instant),
}

impl Place {
    fn arguments(self) -> FieldTable {
        match self {
            Self::Front => FieldTable::default(),
            Self::Past(past, then) => wire::from_past(past + then.elapsed() + CLOCKS_DIFFER),
            Self::Offset(offset, _) => wire::from_offset(offset),
        }
    }
}

/// Takes deliveries of one queue; subscribes again whenever its channel is gone.
pub(super) struct Subscriber {
    pub(super) client: Arc<Client>,
    queue: ShortString,
    prefetch: u16,
    /// Where the next subscription begins.
    pub(super) place: Place,
    state: State,
}

enum State {
    Idle,
    /// Kept here rather than in [`Subscriber::next`], so that it goes on if that is dropped.
    Subscribing(BoxFuture<'static, Result<Subscription, QueueError>>),
    Subscribed(Subscription),
    Stopped,
}

impl Subscriber {
    pub(super) fn new(
        client: Arc<Client>,
        queue: ShortString,
        prefetch: u16,
        place: Place,
    ) -> Self {
        Self {
            client,
            queue,
            // To AMQP, zero means no limit.
            prefetch: prefetch.max(1),
            place,
            state: State::Idle,
        }
    }

    /// The next delivery, and its channel. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<(Delivery, Arc<PooledChannel>), QueueError> {
        loop {
            match &mut self.state {
                State::Idle => {
                    let (client, queue) = (self.client.clone(), self.queue.clone());
                    let subscribing = subscribe(client, queue, self.prefetch, self.place);
                    self.state = State::Subscribing(Box::pin(subscribing));
                }
                State::Subscribing(subscribing) => match subscribing.await {
                    Ok(subscription) => self.state = State::Subscribed(subscription),
                    Err(error) => {
                        self.state = State::Idle;
                        return Err(error);
                    }
                },
                State::Subscribed(subscription) => match subscription.next().await {
                    Some(delivered) => return Ok((delivered, subscription.channel.clone())),
                    None => {
                        // If the stream ends before the offset that was asked for, the broker sends
                        // nothing until it gets there again.
                        if let Place::Offset(_, read) = self.place
                            && !subscription.has_brought
                        {
                            self.place = Place::Past(Duration::ZERO, read);
                        }
                        self.leave_for(State::Idle);
                    }
                },
                State::Stopped => {
                    return Err(QueueError::Unavailable(
                        "the consumer was stopped".to_owned(),
                    ));
                }
            }
        }
    }

    /// Enters the state, and ends a former subscription in the background.
    fn leave_for(&mut self, state: State) {
        if let State::Subscribed(subscription) = std::mem::replace(&mut self.state, state) {
            let runtime = subscription.channel.session().runtime.clone();
            runtime.spawn(subscription.end());
        }
    }

    pub(super) async fn stop(&mut self) {
        let former = std::mem::replace(&mut self.state, State::Stopped);
        if let State::Subscribed(subscription) = former {
            subscription.end().await;
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.leave_for(State::Stopped);
    }
}

/// Subscribes, as often as it takes.
async fn subscribe(
    client: Arc<Client>,
    queue: ShortString,
    prefetch: u16,
    place: Place,
) -> Result<Subscription, QueueError> {
    let mut delays = RECONNECT.delays();
    loop {
        let session = client.consuming.connected().await?;
        match consume(&session, &queue, prefetch, place.arguments()).await {
            Ok((deliveries, channel)) => {
                return Ok(Subscription {
                    deliveries,
                    channel: Arc::new(channel),
                    has_brought: false,
                    renew_at: Instant::now() + RENEW_AFTER,
                });
            }
            Err(error) => {
                if error.is_not_found() {
                    session.redeclare();
                }
                tracing::warn!(%error, queue = queue.as_str(), "could not subscribe");
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
    has_brought: bool,
    renew_at: Instant,
}

impl Subscription {
    /// The next delivery, or `None` if it takes a new subscription. Cancel safe.
    async fn next(&mut self) -> Option<Delivery> {
        let session = self.channel.session().clone();
        loop {
            tokio::select! {
                biased;
                delivered = self.deliveries.next() => match delivered {
                    Some(Ok(delivered)) => {
                        self.has_brought = true;
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
