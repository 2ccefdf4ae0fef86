//! One subscription to the queue, which lasts no longer than its channel.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use super::channels::{Borrowed, Channels};
use super::fault::{ANSWER_WITHIN, Unanswered, answer, words};
use super::link::Link;
use super::settle::give_back;

/// A subscription that has brought nothing for this long is made anew. RabbitMQ 3 forgets the
/// consumers of a queue that is deleted and declared again at once: it lists them, counts messages
/// as delivered to them, and sends nothing.
const RENEW_AFTER: Duration = Duration::from_secs(15);

pub(super) struct Subscription {
    deliveries: lapin::Consumer,
    /// Shared with the deliveries, which are lost with it.
    channel: Arc<Borrowed>,
    renew_at: Instant,
}

/// Deliveries of `queue`, on a channel of their own.
pub(super) async fn consume(
    link: &Arc<Link>,
    queue: &ShortString,
    prefetch: u16,
    arguments: FieldTable,
) -> Result<(lapin::Consumer, Borrowed), Unanswered> {
    let channel = tokio::time::timeout(ANSWER_WITHIN, Channels::borrow(link))
        .await
        .unwrap_or(Err(Unanswered::Silence))?;
    answer(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
    let consume = channel.basic_consume(
        queue.clone(),
        ShortString::default(),
        BasicConsumeOptions::default(),
        arguments,
    );
    let deliveries = answer(consume).await?;
    Ok((deliveries, channel))
}

impl Subscription {
    pub(super) async fn begin(
        link: &Arc<Link>,
        queue: &ShortString,
        prefetch: u16,
    ) -> Result<Self, Unanswered> {
        let (deliveries, channel) = consume(link, queue, prefetch, FieldTable::default()).await?;
        Ok(Self {
            deliveries,
            channel: Arc::new(channel),
            renew_at: Instant::now() + RENEW_AFTER,
        })
    }

    /// The next delivery, or `None` where it takes a new subscription. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<(Delivery, Arc<Borrowed>)> {
        let link = self.channel.link().clone();
        loop {
            tokio::select! {
                biased;
                delivered = self.deliveries.next() => match delivered {
                    Some(Ok(delivered)) => {
                        self.renew_at = Instant::now() + RENEW_AFTER;
                        return Some((delivered, self.channel.clone()));
                    }
                    Some(Err(error)) => {
                        tracing::warn!(error = %words(&error), "the subscription was lost");
                        return None;
                    }
                    None => {
                        tracing::warn!("the broker ended the subscription");
                        return None;
                    }
                },
                () = link.lost() => return None,
                () = sleep_until(self.renew_at) => {
                    // The prefetch holds for each channel: what is out on this one comes on top.
                    if Arc::strong_count(&self.channel) == 1 {
                        return None;
                    }
                    self.renew_at = Instant::now() + RENEW_AFTER;
                }
            }
        }
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.channel.link().runtime
    }

    /// Takes no more deliveries, and gives back those that nobody has asked for yet.
    pub(super) async fn end(mut self) {
        let tag = self.deliveries.tag();
        let cancel = self
            .channel
            .basic_cancel(tag, BasicCancelOptions::default());
        if answer(cancel).await.is_err() {
            // Its channel is gone, and with it what it had.
            return;
        }
        let rest = async {
            while let Some(Ok(delivered)) = self.deliveries.next().await {
                give_back(&delivered.acker);
            }
        };
        // lapin ends the stream with the cancel.
        let _ = tokio::time::timeout(ANSWER_WITHIN, rest).await;
    }
}
