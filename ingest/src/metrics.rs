//! What ingest counts.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ladder::{Hop, Stage};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::outcome::Outcome;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
}

/// What ingest counts.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    events: Family<OutcomeLabels, Counter>,
    ladder: Family<StageLabels, Counter>,
    other_plans: Counter,
    acknowledgement: Histogram,
    confirm: Histogram,
    spool_depth: Gauge,
    spool_oldest: Gauge<f64, AtomicU64>,
    spool_drained: Counter,
}

impl Metrics {
    /// Registers the metrics. Every outcome starts at 0, for Prometheus sees no increase in a
    /// series that starts at 1.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        // 0.5 ms … 16 s: Twilio gives up after 15 s.
        let latency = || Histogram::new(exponential_buckets(0.0005, 2.0, 16));
        let metrics = Self {
            events: Family::default(),
            ladder: Family::default(),
            other_plans: Counter::default(),
            acknowledgement: latency(),
            confirm: latency(),
            spool_depth: Gauge::default(),
            spool_oldest: Gauge::default(),
            spool_drained: Counter::default(),
        };
        registry.register(
            "overflow_ingest_spool_depth",
            "Requests in the spool, which stands in for the queue",
            metrics.spool_depth.clone(),
        );
        registry.register(
            "overflow_ingest_spool_oldest_seconds",
            "How long the oldest request has been in the spool",
            metrics.spool_oldest.clone(),
        );
        registry.register(
            "overflow_ingest_spool_drained",
            "Requests that went from the spool to the queue",
            metrics.spool_drained.clone(),
        );
        registry.register(
            "overflow_ingest_events",
            "TaskRouter events received, by outcome",
            metrics.events.clone(),
        );
        registry.register(
            "overflow_ingest_acknowledgement_seconds",
            "From a callback's arrival to its answer",
            metrics.acknowledgement.clone(),
        );
        registry.register(
            "overflow_ingest_publish_confirm_seconds",
            "From a publish to the queue's confirm",
            metrics.confirm.clone(),
        );
        registry.register(
            "overflow_ingest_ladder_requests",
            "Twilio's requests for what comes next on a ladder, by what it had done",
            metrics.ladder.clone(),
        );
        registry.register(
            "overflow_ingest_ladder_other_plans",
            "Those about a ladder that is not as the plans here have it",
            metrics.other_plans.clone(),
        );
        for stage in Stage::ALL.map(Stage::as_str) {
            drop(metrics.ladder.get_or_create(&StageLabels { stage }));
        }
        for outcome in Outcome::LABELS {
            drop(metrics.events.get_or_create(&OutcomeLabels { outcome }));
        }
        metrics
    }

    pub(crate) fn event(&self, outcome: &Outcome) {
        let outcome = outcome.label();
        self.events.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub(crate) fn asked(&self, hop: &Hop<'_>, is_the_same: bool) {
        let stage = hop.stage.as_str();
        self.ladder.get_or_create(&StageLabels { stage }).inc();
        if !is_the_same {
            self.other_plans.inc();
        }
    }

    pub(crate) fn acknowledged(&self, after: Duration) {
        self.acknowledgement.observe(after.as_secs_f64());
    }

    pub(crate) fn confirmed(&self, after: Duration) {
        self.confirm.observe(after.as_secs_f64());
    }

    pub(crate) fn spool(&self, depth: u64, oldest: Duration) {
        self.spool_depth
            .set(i64::try_from(depth).unwrap_or(i64::MAX));
        self.spool_oldest.set(oldest.as_secs_f64());
    }

    /// How many are in the spool, as last told.
    pub(crate) fn spooled(&self) -> u64 {
        u64::try_from(self.spool_depth.get()).unwrap_or_default()
    }

    pub(crate) fn drained(&self, count: usize) {
        self.spool_drained.inc_by(count as u64);
    }
}
