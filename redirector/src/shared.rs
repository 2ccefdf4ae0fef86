//! What all jobs of the process share.

use std::sync::Arc;

use clock::Clock;
use parking_lot::Mutex;
use queue::{IntentLog, Queue, RedirectRequest};
use service::Plans;
use service::report::{Api, RedirectorReport, Report, Sweep};
use tokio_util::sync::CancellationToken;
use twilio::rest::Client;

use crate::calls::Calls;
use crate::ledger::Ledger;
use crate::limiter::Limiter;
use crate::lookup::Lookup;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::settings::RedirectorSettings;
use crate::twilio_time::TwilioTime;

/// What all jobs of the process share.
pub(crate) struct Shared {
    pub(crate) settings: RedirectorSettings,
    pub(crate) plans: Plans,
    pub(crate) client: Client,
    pub(crate) lookup: Lookup,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) intents: Arc<dyn IntentLog>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) time: Arc<TwilioTime>,
    pub(crate) clock: Clock,
    /// How the sweep goes, while this process is the one that sweeps.
    pub(crate) swept: Mutex<Option<Sweep>>,
    pub(crate) metrics: Metrics,
    pub(crate) told: Memory,
    pub(crate) outbox: Outbox,
    pub(crate) stop: CancellationToken,
}

impl Shared {
    /// The name of the plan that a request is for.
    pub(crate) fn plan_name(&self, request: &RedirectRequest) -> Option<String> {
        let plan = self.plans.get(&request.task_queue_sid);
        plan.map(|plan| plan.name.clone())
    }

    /// Says what this redirector has.
    pub(crate) fn report(&self, to: &mut Report) {
        let (held, callers) = self.metrics.held().list(&self.plans, to.at);
        let apis = self.limiters().map(|(name, limiter)| {
            let reading = limiter.reading();
            Api {
                name: name.to_owned(),
                in_flight: reading.in_flight as u64,
                allowance: reading.allowance as u64,
                in_line: reading.in_line as u64,
                held_back: !reading.open,
            }
        });
        to.redirector = Some(RedirectorReport {
            stands_by: self.queue.stands_by(),
            held,
            callers,
            apis: apis.into(),
            sweep: self.swept.lock().clone(),
        });
    }

    /// The limiter of each of Twilio's APIs, and what metrics call that.
    pub(crate) fn limiters(&self) -> [(&'static str, &Arc<Limiter>); 2] {
        [
            ("calls", &self.lookup.calls_api),
            ("taskrouter", &self.lookup.taskrouter),
        ]
    }
}
