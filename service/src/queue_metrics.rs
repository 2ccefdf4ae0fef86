//! How the queue stands, for metrics.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use queue::{Health, Queue};

/// How often the queue is asked.
const INTERVAL: Duration = Duration::from_secs(5);

/// How the queue stands.
#[derive(Debug, Clone, Default)]
pub struct QueueMetrics {
    ready: Gauge,
    consumers: Gauge,
    dead: Gauge,
    up: Gauge,
}

impl QueueMetrics {
    /// Registers the metrics, and the version of this build.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "overflow_build",
            "The version of this build",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register(
            "overflow_queue_messages_ready",
            "Requests on the queue that no redirector holds",
            metrics.ready.clone(),
        );
        registry.register(
            "overflow_queue_consumers",
            "Redirectors at the queue",
            metrics.consumers.clone(),
        );
        registry.register(
            "overflow_queue_dead_letters",
            "Dead letters that wait for an operator",
            metrics.dead.clone(),
        );
        registry.register(
            "overflow_queue_up",
            "1 while the queue can be used",
            metrics.up.clone(),
        );
        metrics
    }

    /// Keeps the metrics up to date.
    pub async fn watch(self, queue: Arc<dyn Queue>) {
        let mut interval = tokio::time::interval(INTERVAL);
        let mut dead = 0;
        loop {
            interval.tick().await;
            self.up.set(i64::from(queue.health() == Health::Up));
            // What was last seen stays while the queue can't be asked; `up` says so.
            if let Ok(stats) = queue.stats().await {
                self.ready.set(gauge(stats.ready));
                self.consumers.set(gauge(stats.consumers));
                // On a broker, what somebody looks at for a moment is not counted.
                self.dead.set(gauge(stats.dead.max(dead)));
                dead = stats.dead;
            }
        }
    }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
