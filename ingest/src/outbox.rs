//! Where requests and outcomes become durable: on the queue or, while that is away, in the spool.
//!
//! The spool is the embedded queue in a file of its own. What is in it goes to the queue in order,
//! while what is new goes there directly.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clock::Clock;
use futures::FutureExt;
use futures::future::join_all;
use jiff::Timestamp;
use queue::sqlite::SqliteQueue;
use queue::{
    Cause, Consumer, Delivery, Health, Lane, Message, OnBroker, Options, Queue, QueueError, Reason,
};
use retry::Policy;
use service::Plans;
use service::admin::{Readiness, ReadinessCheck};
use service::report::{IngestReport, Part};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::outcome::Outcome;
use crate::settings::SpoolSettings;
use crate::spooled::Spooled;

/// How many messages of a lane are on their way from the spool to the queue at a time.
const BATCH: u16 = 64;

/// How often the depth is read.
const READ_DEPTH: Duration = Duration::from_secs(2);

/// Soon after the queue is back, for callers are on hold meanwhile; while it is known to be away, an
/// attempt costs nothing.
const RETRY: Policy = match Policy::new(Duration::from_millis(100), Duration::from_secs(1)) {
    Ok(policy) => policy,
    Err(_) => unreachable!(),
};

/// Opens the spool of `queue`.
///
/// # Errors
/// The file can't be used, or holds another queue's requests.
pub(crate) async fn open_spool(
    settings: &SpoolSettings,
    queue: &OnBroker,
    publish_timeout: Duration,
) -> anyhow::Result<Arc<dyn Queue>> {
    let options = Options {
        max_length: Some(settings.max_length),
        // An outage may return a message to the spool any number of times.
        delivery_limit: u32::MAX,
        stands_in_for: Some(queue.clone()),
        publish_timeout,
        ..Options::default()
    };
    let spool = SqliteQueue::open(&settings.file, options)
        .await
        .with_context(|| format!("cannot use the spool {}", settings.file.display()))
        .context("SPOOL")?;
    Ok(Arc::new(spool))
}

/// The queue, and the spool that stands in for it.
pub(crate) struct Outbox {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) spool: Option<Arc<dyn Queue>>,
    /// Who is in it.
    pub(crate) spooled: Spooled,
    /// How long it may take until a message is durable.
    pub(crate) publish_timeout: Duration,
    pub(crate) metrics: Metrics,
}

impl Outbox {
    /// Returns once the message is durable, or known not to be.
    pub(crate) async fn publish(&self, message: &Message) -> Outcome {
        let Some(spool) = &self.spool else {
            let published = self.to_queue(message, self.publish_timeout).await;
            return published.map_or_else(Outcome::Unavailable, |()| Outcome::Queued);
        };
        // Half the time for each, so that the spool has its share when the queue is silent.
        let share = self.publish_timeout / 2;
        let error = match self.queue.health() {
            Health::Up => match self.to_queue(message, share).await {
                Ok(()) => return Outcome::Queued,
                Err(error) => error,
            },
            // A wait would only cost the caller time.
            Health::Down(why) | Health::Broken(why) => QueueError::Unavailable(why),
        };
        tracing::warn!(
            id = message.content.id(),
            call_sid = message.content.call_sid().map(|call| call.to_string()),
            %error,
            "the queue did not take it: it goes to the spool"
        );
        // Before it is there, for it may leave at once.
        self.spooled.add(&message.content);
        match within(share, spool.publish(message)).await {
            Ok(()) => Outcome::Spooled,
            Err(error) => {
                self.spooled.remove(&message.content);
                Outcome::Unavailable(error)
            }
        }
    }

    async fn to_queue(&self, message: &Message, share: Duration) -> Result<(), QueueError> {
        let started = Instant::now();
        within(share, self.queue.publish(message)).await?;
        self.metrics.confirmed(started.elapsed());
        Ok(())
    }

    /// Moves what is in the spool to the queue, until `stop` is cancelled. A request doesn't wait for
    /// outcomes.
    ///
    /// # Errors
    /// The spool can't be read any more.
    pub(crate) async fn drain(&self, stop: &CancellationToken) -> Result<(), QueueError> {
        let Some(spool) = &self.spool else {
            return Ok(());
        };
        let requests = self.drain_lane(&**spool, Lane::Redirects, stop);
        let outcomes = self.drain_lane(&**spool, Lane::Outcomes, stop);
        tokio::try_join!(requests, outcomes).map(drop)
    }

    async fn drain_lane(
        &self,
        spool: &dyn Queue,
        lane: Lane,
        stop: &CancellationToken,
    ) -> Result<(), QueueError> {
        let mut consumer = spool.consume(lane, BATCH).await?;
        let mut delays = RETRY.delays();
        let mut read_depth = tokio::time::interval(READ_DEPTH);
        loop {
            let batch = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                _ = read_depth.tick() => {
                    self.measure(spool).await;
                    continue;
                }
                batch = next_batch(&mut *consumer) => batch?,
            };
            let moved = batch.into_iter().map(|delivery| self.move_on(delivery));
            let moved = join_all(moved).await;
            let failed = moved.iter().filter(|moved| !**moved).count();
            if lane == Lane::Redirects {
                self.metrics.drained(moved.len() - failed);
            }
            if failed == 0 {
                delays.reset();
                continue;
            }
            let pause = tokio::time::sleep(delays.next_delay());
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = pause => self.measure(spool).await,
            }
        }
    }

    /// Whether the message is out of the spool now.
    async fn move_on(&self, delivery: Delivery) -> bool {
        let content = match delivery.message.content() {
            Ok(content) => content,
            Err(error) => {
                tracing::error!(%error, "a spooled message cannot be read; it stays in the spool's dead letters");
                let cause = Cause {
                    reason: Reason::Undecodable,
                    attempts: 0,
                    last_error: Some(error.to_string()),
                };
                return delivery.dead_letter(&cause).await.is_ok();
            }
        };
        let message = Message {
            content,
            traceparent: delivery.message.traceparent.clone(),
        };
        match self.queue.publish(&message).await {
            Ok(()) => {
                self.spooled.remove(&message.content);
                delivery.ack().await.is_ok()
            }
            Err(error) => {
                // Perhaps it has been there since before this process.
                self.spooled.add(&message.content);
                tracing::debug!(%error, "the queue is not back yet");
                // Its place in the spool is kept.
                let _ = delivery.release().await;
                false
            }
        }
    }

    async fn measure(&self, spool: &dyn Queue) {
        if let Ok(stats) = spool.stats().await {
            let depth = [stats.unacked, stats.other_lanes].into_iter().flatten();
            let depth = stats.ready + depth.sum::<u64>();
            let age = stats.oldest.map_or(Duration::ZERO, |oldest| {
                Duration::try_from(Timestamp::now().duration_since(oldest)).unwrap_or_default()
            });
            self.metrics.spool(depth, age);
        }
    }

    /// Says what is in the spool.
    pub(crate) fn reporter(&self, plans: &Plans, clock: &Clock) -> Part {
        let (metrics, spooled) = (self.metrics.clone(), self.spooled.clone());
        let (plans, clock) = (plans.clone(), clock.clone());
        Arc::new(move |report| {
            report.ingest = Some(IngestReport {
                spooled: metrics.spooled(),
                callers: spooled.list(&plans, &clock),
            });
        })
    }

    /// Ready while the queue can be used; degraded while only the spool can. `None` without a spool:
    /// the host checks its queue itself.
    pub(crate) fn readiness(&self) -> Option<ReadinessCheck> {
        let (queue, spool) = (Arc::clone(&self.queue), self.spool.clone()?);
        Some(Arc::new(move || match (queue.health(), spool.health()) {
            (Health::Up, Health::Up) => Readiness::Ready,
            (Health::Up, Health::Down(why) | Health::Broken(why)) => {
                Readiness::Degraded(format!("the spool fails: {why}"))
            }
            (Health::Down(why) | Health::Broken(why), Health::Up) => {
                Readiness::Degraded(format!("requests go to the spool: {why}"))
            }
            (Health::Down(why) | Health::Broken(why), _) => Readiness::NotReady(why),
        }))
    }

    /// Closes the spool; the queue is its host's.
    pub(crate) async fn close(&self) {
        if let Some(spool) = &self.spool {
            spool.close().await;
        }
    }
}

/// What is there, as far as a batch goes, and at least one.
async fn next_batch(consumer: &mut dyn Consumer) -> Result<Vec<Delivery>, QueueError> {
    let mut batch = vec![consumer.next().await?];
    while batch.len() < usize::from(BATCH)
        && let Some(delivery) = consumer.next().now_or_never()
    {
        batch.push(delivery?);
    }
    Ok(batch)
}

async fn within(
    limit: Duration,
    publish: impl Future<Output = Result<(), QueueError>>,
) -> Result<(), QueueError> {
    let published = timeout(limit, publish).await;
    published.unwrap_or(Err(QueueError::TimedOut(limit)))
}
