//! Making a request durable: on the queue or, while that is away, in the spool.

use std::sync::Arc;
use std::time::Duration;

use queue::{Health, Message, Queue, QueueError};
use tokio::time::{Instant, timeout};

use crate::metrics::Metrics;
use crate::outcome::Outcome;

/// The queue, and the spool that stands in for it.
pub(crate) struct HandOver {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) spool: Option<Arc<dyn Queue>>,
    /// How long it may take in all.
    pub(crate) allowed: Duration,
    pub(crate) metrics: Metrics,
}

impl HandOver {
    /// Returns once the request is durable, or known not to be.
    pub(crate) async fn take(&self, message: &Message) -> Outcome {
        let Some(spool) = &self.spool else {
            return match self.publish(message, self.allowed).await {
                Ok(()) => Outcome::Queued,
                Err(error) => Outcome::Unavailable(error),
            };
        };
        // Half the time for each, so that the spool has its share when the queue is silent.
        let share = self.allowed / 2;
        let error = match self.publish(message, share).await {
            Ok(()) => return Outcome::Queued,
            Err(error) => error,
        };
        tracing::warn!(
            event_sid = %message.request.event_sid,
            call_sid = %message.request.call_sid,
            %error,
            "the queue did not take it: spooled"
        );
        match within(share, spool.publish(message)).await {
            Ok(()) => Outcome::Spooled,
            Err(error) => Outcome::Unavailable(error),
        }
    }

    async fn publish(&self, message: &Message, allowed: Duration) -> Result<(), QueueError> {
        if let (Some(_), Health::Down(why) | Health::Broken(why)) =
            (&self.spool, self.queue.health())
        {
            // The spool is there at once; a wait for the queue would only cost the caller time.
            return Err(QueueError::Unavailable(why));
        }
        let started = Instant::now();
        within(allowed, self.queue.publish(message)).await?;
        self.metrics.confirmed(started.elapsed());
        Ok(())
    }
}

async fn within(
    allowed: Duration,
    publish: impl Future<Output = Result<(), QueueError>>,
) -> Result<(), QueueError> {
    timeout(allowed, publish)
        .await
        .unwrap_or(Err(QueueError::TimedOut(allowed)))
}
