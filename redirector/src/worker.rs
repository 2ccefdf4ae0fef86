//! The service: takes deliveries up to its prefetch, each in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use queue::QueueError;
use service::{Host, Plans};
use tokio::task::{JoinError, JoinSet};
use twilio::rest::Client;

use crate::calls::Calls;
use crate::gate::Gate;
use crate::job::Desk;
use crate::metrics::Metrics;
use crate::settings::RedirectorSettings;
use crate::sweep::Sweeper;
use crate::twilio_api::TwilioApi;

/// How often the gate is read for the metrics.
const READ_GATE: Duration = Duration::from_secs(1);

/// The service that redirects calls.
pub struct Redirector {
    desk: Arc<Desk>,
}

impl Redirector {
    /// A redirector of the requests on the host's queue. It stops when the host does.
    pub fn new(
        host: &mut Host,
        settings: RedirectorSettings,
        client: Client,
        plans: Plans,
    ) -> Self {
        host.check_queue();
        let metrics = Metrics::register(&mut host.registry, &plans);
        let client = client.observed_by(metrics.observer());
        let gate = Gate::new(settings.max_in_flight, settings.retry);
        Self {
            desk: Arc::new(Desk {
                plans,
                twilio: TwilioApi::new(client, gate),
                queue: host.queue.clone(),
                // A copy of the event that is older than the deadline is not acted upon anyway.
                calls: Calls::new(settings.deadline),
                metrics,
                stop: host.stop.clone(),
                settings,
            }),
        }
    }

    /// Works until it is stopped: then it finishes the redirects under way, within the stop
    /// timeout, and gives everything else back to the queue.
    ///
    /// # Errors
    /// The queue can't be used, and no waiting mends it.
    pub async fn run(self) -> Result<(), QueueError> {
        let desk = self.desk;
        let mut consumer = desk.queue.consume(desk.settings.prefetch).await?;
        tracing::info!(prefetch = desk.settings.prefetch, "redirector is up");
        let sweep = desk
            .settings
            .sweep
            .clone()
            .map(|settings| tokio::spawn(Sweeper::new(Arc::clone(&desk), settings).run()));
        let mut deliveries = JoinSet::new();
        let mut read_gate = tokio::time::interval(READ_GATE);
        loop {
            tokio::select! {
                biased;
                () = desk.stop.cancelled() => break,
                Some(ended) = deliveries.join_next() => report_panic(ended),
                _ = read_gate.tick() => desk.metrics.gate(desk.twilio.gate()),
                delivery = consumer.next() => {
                    let delivery = delivery?;
                    let desk = Arc::clone(&desk);
                    deliveries.spawn(async move { desk.handle(delivery).await });
                }
            }
        }
        consumer.stop().await;
        if let Some(sweep) = sweep {
            // What it publishes is durable or not; it leaves nothing half done.
            sweep.abort();
        }
        let under_way = deliveries.len();
        tracing::info!(under_way, "finishing what is under way");
        let finished = tokio::time::timeout(desk.settings.stop_timeout, async {
            while let Some(ended) = deliveries.join_next().await {
                report_panic(ended);
            }
        });
        if finished.await.is_err() {
            tracing::warn!(
                cut_off = deliveries.len(),
                "redirects still under way were cut off by the stop timeout; they are delivered again"
            );
        }
        Ok(())
    }
}

/// A delivery whose task panics goes back to the queue when it is dropped, and becomes a dead
/// letter when that happens again and again.
fn report_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a delivery's task panicked; it is delivered again");
    }
}
