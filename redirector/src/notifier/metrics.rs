//! What the notifier counts.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use service::Plans;

use crate::labels::PlanLabels;

pub(super) const TOLD: &str = "told";
/// The receiver will never take it, or there is none.
pub(super) const REFUSED: &str = "refused";
/// The receiver did not take it in time.
pub(super) const GIVEN_UP: &str = "given_up";
pub(super) const UNDECODABLE: &str = "undecodable";
pub(super) const PUT_OFF: &str = "put_off";
pub(super) const RELEASED: &str = "released";
pub(super) const PANIC: &str = "panicked";
pub(super) const RESULTS: [&str; 7] = [
    TOLD,
    REFUSED,
    GIVEN_UP,
    UNDECODABLE,
    PUT_OFF,
    RELEASED,
    PANIC,
];

/// 50 ms … 30 s: receivers are slower than Twilio, and chat tools take their time.
const REQUEST_TIME: [f64; 9] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    plan: String,
    result: &'static str,
}

/// What the notifier counts.
#[derive(Clone)]
pub(crate) struct NotifierMetrics {
    ended: Family<ResultLabels, Counter>,
    request_time: Family<PlanLabels, Histogram>,
}

impl NotifierMetrics {
    /// Registers them. Those of plans that tell nobody begin when they are needed.
    pub(crate) fn register(registry: &mut Registry, plans: &Plans) -> Self {
        let metrics = Self {
            ended: Family::default(),
            request_time: Family::new_with_constructor(|| Histogram::new(REQUEST_TIME)),
        };
        registry.register(
            "overflow_notifications",
            "Notifications of what became of a caller ended, by plan and result",
            metrics.ended.clone(),
        );
        registry.register(
            "overflow_notification_seconds",
            "From a request to whoever is told to its answer, or to its failure",
            metrics.request_time.clone(),
        );
        for plan in plans.iter().filter(|plan| plan.notify.is_some()) {
            for result in RESULTS {
                let plan = plan.name.clone();
                drop(metrics.ended.get_or_create(&ResultLabels { plan, result }));
            }
            let plan = plan.name.clone();
            drop(metrics.request_time.get_or_create(&PlanLabels { plan }));
        }
        metrics
    }

    pub(super) fn ended(&self, plan: &str, result: &'static str) {
        let plan = plan.to_owned();
        self.ended
            .get_or_create(&ResultLabels { plan, result })
            .inc();
    }

    pub(super) fn requested(&self, plan: &str, elapsed: Duration) {
        let plan = plan.to_owned();
        self.request_time
            .get_or_create(&PlanLabels { plan })
            .observe(elapsed.as_secs_f64());
    }
}
