//! What a process of ours is built on: the queue, the metrics, the admin listener.

use std::sync::Arc;

use anyhow::Context;
use clock::Clock;
use prometheus_client::registry::Registry;
use queue::{Health, OnBroker, Queue};
use tokio_util::sync::CancellationToken;

use crate::admin::{Admin, AdminSettings, Readiness, ReadinessCheck};
use crate::http::ConnectionMetrics;
use crate::policies;
use crate::process::bind;
use crate::queue_metrics::QueueMetrics;
use crate::report::{Part, Reporter};
use crate::settings::QueueSettings;
use crate::telemetry;

/// The queue, the metrics and the admin listener of a process, for the services in it.
pub struct Host {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// Where the queue is on a broker; none is on this machine's disk.
    pub on_broker: Option<OnBroker>,
    /// The time of day.
    pub clock: Clock,
    /// Where services register their metrics.
    pub registry: Registry,
    /// The connections of this process's listeners.
    pub connections: ConnectionMetrics,
    /// Cancelled when the process is to stop; a service that ends cancels it too.
    pub stop: CancellationToken,
    checks: Vec<ReadinessCheck>,
    parts: Vec<Part>,
    queue_metrics: QueueMetrics,
}

impl Host {
    /// Opens the queue.
    ///
    /// # Errors
    /// The queue can't be used, and no waiting mends it.
    pub async fn open(settings: &QueueSettings, stop: CancellationToken) -> anyhow::Result<Self> {
        let queue = settings
            .open()
            .await
            .with_context(|| format!("cannot use the queue {}", settings.url))?;
        tokio::spawn(policies::warn(settings.clone(), Arc::clone(&queue)));
        let mut host = Self::on(queue, Clock::system(), stop);
        host.on_broker = settings.url.on_broker(&settings.options.prefix);
        Ok(host)
    }

    /// A process on `queue`, wherever that is.
    pub fn on(queue: Arc<dyn Queue>, clock: Clock, stop: CancellationToken) -> Self {
        let mut registry = Registry::default();
        let queue_metrics = QueueMetrics::register(&mut registry);
        registry.register(
            "overflow_log_lines_dropped",
            "Lines of the log that were dropped, for nobody read them in time",
            telemetry::dropped_lines(),
        );
        let connections = ConnectionMetrics::register(&mut registry);
        Self {
            queue,
            on_broker: None,
            clock,
            registry,
            connections,
            stop,
            checks: Vec::new(),
            parts: Vec::new(),
            queue_metrics,
        }
    }

    /// Makes the process ready only while `check` says so.
    pub fn check(&mut self, check: ReadinessCheck) {
        self.checks.push(check);
    }

    /// Makes the process ready only while the queue can be used.
    pub fn check_queue(&mut self) {
        let queue = Arc::clone(&self.queue);
        self.check(Arc::new(move || match queue.health() {
            Health::Up => Readiness::Ready,
            Health::Down(why) | Health::Broken(why) => Readiness::NotReady(why),
        }));
    }

    /// Has `part` say what it has while somebody watches.
    pub fn report(&mut self, part: Part) {
        self.parts.push(part);
    }

    /// From now on the process says of itself how it stands, while somebody watches.
    pub fn say(&mut self) {
        let reporter = Reporter {
            clock: self.clock.clone(),
            stop: self.stop.clone(),
            checks: self.checks.clone(),
            parts: std::mem::take(&mut self.parts),
        };
        let said = move || serde_json::to_vec(&reporter.report()).unwrap_or_default();
        self.queue.report(Arc::new(said));
    }

    /// Does `work`, with the admin listener beside it, then closes the queue.
    ///
    /// # Errors
    /// The admin address can't be listened on, or the work fails.
    pub async fn run(
        mut self,
        admin: AdminSettings,
        work: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let listener = bind("ADMIN_LISTEN", admin.listen).await?;
        self.say();
        let metrics = self.connections.of("admin");
        let serve = Admin::new(self.registry, self.checks).serve(listener, admin.limits, metrics);
        // Until the very end, so that a stop can be watched.
        let admin = tokio::spawn(serve);
        let watch = tokio::spawn(self.queue_metrics.watch(Arc::clone(&self.queue)));
        let done = work.await;
        self.queue.close().await;
        watch.abort();
        admin.abort();
        done
    }
}

/// Does `work`, and asks the whole process to stop when it ends.
pub async fn ending<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> T {
    let _stop = stop.clone().drop_guard();
    work.await
}
