//! The spool: requests that the queue could not take, on this machine's disk until it can.
//!
//! It is the embedded queue in a file of its own. What is in it goes to the queue in order, while
//! new events go there directly.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::FutureExt;
use futures::future::join_all;
use jiff::Timestamp;
use queue::sqlite::SqliteQueue;
use queue::{Consumer, Delivery, Health, Message, OnBroker, Options, Queue, QueueError};
use retry::Policy;
use service::admin::{Readiness, ReadinessCheck};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::settings::SpoolSettings;

/// How many requests are on their way from the spool to the queue at a time.
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
pub(crate) async fn open(
    settings: &SpoolSettings,
    queue: &OnBroker,
    publish_timeout: Duration,
) -> anyhow::Result<Arc<dyn Queue>> {
    let options = Options {
        max_length: Some(settings.max_length),
        // A request that waits out an outage is none that kills its consumer.
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

/// Moves what is in the spool to the queue, until `stop` is cancelled.
///
/// # Errors
/// The spool can't be read any more.
pub(crate) async fn drain(
    spool: Arc<dyn Queue>,
    queue: Arc<dyn Queue>,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<(), QueueError> {
    let mut consumer = spool.consume(BATCH).await?;
    let mut delays = RETRY.delays();
    let mut read_depth = tokio::time::interval(READ_DEPTH);
    loop {
        let batch = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            _ = read_depth.tick() => {
                watch(&*spool, &metrics).await;
                continue;
            }
            batch = next_batch(&mut *consumer) => batch?,
        };
        let moved = join_all(batch.into_iter().map(|delivery| hand_on(delivery, &*queue))).await;
        let failed = moved.iter().filter(|moved| !**moved).count();
        metrics.drained(moved.len() - failed);
        if failed == 0 {
            delays.reset();
            continue;
        }
        let pause = tokio::time::sleep(delays.next_delay());
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = pause => watch(&*spool, &metrics).await,
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

/// Whether the request is on the queue now; else it stays in the spool.
async fn hand_on(delivery: Delivery, queue: &dyn Queue) -> bool {
    let request = match delivery.message.decode() {
        Ok(request) => request,
        Err(error) => {
            tracing::error!(%error, "a spooled request cannot be read; it stays in the spool's dead letters");
            let cause = queue::Cause {
                reason: queue::Reason::Undecodable,
                attempts: 0,
                last_error: Some(error.to_string()),
            };
            return delivery.dead_letter(&cause).await.is_ok();
        }
    };
    let message = Message {
        request,
        traceparent: delivery.message.traceparent.clone(),
    };
    match queue.publish(&message).await {
        Ok(()) => delivery.ack().await.is_ok(),
        Err(error) => {
            tracing::debug!(%error, "the queue is not back yet");
            // Its place in the spool is kept.
            let _ = delivery.release().await;
            false
        }
    }
}

async fn watch(spool: &dyn Queue, metrics: &Metrics) {
    if let Ok(stats) = spool.stats().await {
        let depth = stats.ready + stats.unacked.unwrap_or(0);
        let age = stats.oldest.map_or(Duration::ZERO, |oldest| {
            Duration::try_from(Timestamp::now().duration_since(oldest)).unwrap_or_default()
        });
        metrics.spool(depth, age);
    }
}

/// Ready while the queue can be used; degraded while only the spool can.
pub(crate) fn readiness(queue: &Arc<dyn Queue>, spool: &Arc<dyn Queue>) -> ReadinessCheck {
    let (queue, spool) = (Arc::clone(queue), Arc::clone(spool));
    Arc::new(move || match (queue.health(), spool.health()) {
        (Health::Up, Health::Up) => Readiness::Ready,
        (Health::Up, Health::Down(why) | Health::Broken(why)) => {
            Readiness::Degraded(format!("the spool fails: {why}"))
        }
        (Health::Down(why) | Health::Broken(why), Health::Up) => {
            Readiness::Degraded(format!("requests go to the spool: {why}"))
        }
        (Health::Down(why) | Health::Broken(why), _) => Readiness::NotReady(why),
    })
}
