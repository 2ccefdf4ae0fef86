//! What the redirector counts.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use queue::{CallerEnd, OutcomeKind, Reason, RedirectRequest};
use service::Plans;
use twilio::rest::{Exchange, Observer};

use crate::deliveries::{Deliveries, DeliveryGuard};
use crate::labels::{NO_PLAN, PlanLabels};
use crate::limiter::Reading;
use crate::lookup::Whereabouts;
use crate::notifier::metrics::NotifierMetrics;
use crate::outcome::Outcome;
use crate::twilio_time::TwilioTime;

/// 50 ms … 60 s, where callers live.
const TIME_TO_REDIRECT: [f64; 12] = [
    0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0,
];

/// 10 ms … 10 s: most answers take a tenth of a second, and we give up after 10 s.
const REQUEST_TIME: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
    plan: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    end: &'static str,
    plan: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SightLabels {
    found: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabels {
    api: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabels {
    endpoint: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    endpoint: &'static str,
    /// The HTTP status, 0 where no answer came.
    status: u16,
}

/// What the redirector counts.
#[derive(Clone)]
pub(crate) struct Metrics {
    deliveries: Family<OutcomeLabels, Counter>,
    outcomes: Family<OutcomeLabels, Counter>,
    callers: Family<EndLabels, Counter>,
    time_to_redirect: Family<PlanLabels, Histogram>,
    dead_letters: Family<ReasonLabels, Counter>,
    retries: Counter,
    looks: Family<SightLabels, Counter>,
    spared_conversations: Counter,
    closed_tasks: Counter,
    sweeps: Counter,
    sweep_finds: Counter,
    requests: Family<RequestLabels, Counter>,
    request_time: Family<EndpointLabels, Histogram>,
    concurrent_requests: Gauge,
    clock_ahead: Gauge,
    held: Deliveries,
    time: Arc<TwilioTime>,
    in_flight: Family<ApiLabels, Gauge>,
    allowance: Family<ApiLabels, Gauge>,
    held_back: Family<ApiLabels, Gauge>,
    pub(crate) notifier: NotifierMetrics,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// What is known of the labels beforehand starts at 0, for Prometheus sees no increase in a
    /// series that starts at 1.
    pub(crate) fn register(registry: &mut Registry, plans: &Plans, time: Arc<TwilioTime>) -> Self {
        let metrics = Self {
            deliveries: Family::default(),
            outcomes: Family::default(),
            callers: Family::default(),
            time_to_redirect: Family::new_with_constructor(|| Histogram::new(TIME_TO_REDIRECT)),
            dead_letters: Family::default(),
            retries: Counter::default(),
            looks: Family::default(),
            spared_conversations: Counter::default(),
            closed_tasks: Counter::default(),
            sweeps: Counter::default(),
            sweep_finds: Counter::default(),
            requests: Family::default(),
            request_time: Family::new_with_constructor(|| Histogram::new(REQUEST_TIME)),
            concurrent_requests: Gauge::default(),
            clock_ahead: Gauge::default(),
            held: Deliveries::new(Arc::clone(&time)),
            time,
            in_flight: Family::default(),
            allowance: Family::default(),
            held_back: Family::default(),
            notifier: NotifierMetrics::register(registry, plans),
        };
        registry.register(
            "overflow_redirector_deliveries",
            "Deliveries ended, by outcome and plan",
            metrics.deliveries.clone(),
        );
        registry.register(
            "overflow_outcomes",
            "What became of attempts to reach somebody for a redirected caller, by outcome and plan",
            metrics.outcomes.clone(),
        );
        registry.register(
            "overflow_callers",
            "Redirected callers whose end is known: taken, recorded or missed, by plan",
            metrics.callers.clone(),
        );
        registry.register(
            "overflow_redirector_time_to_redirect_seconds",
            "From the event, by Twilio's clock, to the redirect",
            metrics.time_to_redirect.clone(),
        );
        registry.register(
            "overflow_redirector_dead_letters",
            "Dead letters made, by reason",
            metrics.dead_letters.clone(),
        );
        registry.register(
            "overflow_redirector_retries",
            "Requests to Twilio that had to be repeated",
            metrics.retries.clone(),
        );
        registry.register(
            "overflow_redirector_looks",
            "Looks at callers whom Twilio was asked about, by what was seen",
            metrics.looks.clone(),
        );
        registry.register(
            "overflow_redirector_spared_conversations",
            "Callers whom other software had taken off hold before us: conversations that a lower VERIFY_AFTER spares",
            metrics.spared_conversations.clone(),
        );
        registry.register(
            "overflow_redirector_closed_tasks",
            "Tasks closed whose callers had left the voice queue",
            metrics.closed_tasks.clone(),
        );
        registry.register(
            "overflow_redirector_sweeps",
            "Placeholder task queues swept",
            metrics.sweeps.clone(),
        );
        registry.register(
            "overflow_redirector_sweep_finds",
            "Waiting callers found whom no redirector is working on",
            metrics.sweep_finds.clone(),
        );
        registry.register(
            "overflow_twilio_requests",
            "Requests to Twilio, by operation and HTTP status (0: no answer)",
            metrics.requests.clone(),
        );
        registry.register(
            "overflow_twilio_concurrent_requests",
            "Requests of the account under way, as Twilio last said",
            metrics.concurrent_requests.clone(),
        );
        registry.register(
            "overflow_clock_ahead_seconds",
            "How far this machine's clock is ahead of Twilio's; negative if it is behind",
            metrics.clock_ahead.clone(),
        );
        registry.register(
            "overflow_twilio_request_seconds",
            "From a request to Twilio to the head of its answer, or to its failure",
            metrics.request_time.clone(),
        );
        registry.register_collector(Box::new(metrics.held.clone()));
        registry.register(
            "overflow_redirector_requests_in_flight",
            "Requests to Twilio under way at the moment",
            metrics.in_flight.clone(),
        );
        registry.register(
            "overflow_redirector_requests_allowed",
            "Requests to Twilio that may be under way at a time; halved by each 429",
            metrics.allowance.clone(),
        );
        registry.register(
            "overflow_redirector_held_back",
            "1 while requests are held back because Twilio refuses or fails",
            metrics.held_back.clone(),
        );
        metrics.begin(plans);
        metrics
    }

    fn begin(&self, plans: &Plans) {
        for plan in plans.iter().map(|plan| plan.name.as_str()).chain([NO_PLAN]) {
            for outcome in Outcome::NAMES {
                let plan = plan.to_owned();
                drop(
                    self.deliveries
                        .get_or_create(&OutcomeLabels { outcome, plan }),
                );
            }
        }
        for plan in plans.iter() {
            for outcome in OutcomeKind::ALL.map(OutcomeKind::as_str) {
                let plan = plan.name.clone();
                drop(
                    self.outcomes
                        .get_or_create(&OutcomeLabels { outcome, plan }),
                );
            }
            for end in CallerEnd::ALL.map(CallerEnd::as_str) {
                let plan = plan.name.clone();
                drop(self.callers.get_or_create(&EndLabels { end, plan }));
            }
            let plan = plan.name.clone();
            drop(self.time_to_redirect.get_or_create(&PlanLabels { plan }));
        }
        for reason in Reason::OURS {
            let reason = reason.to_string();
            drop(self.dead_letters.get_or_create(&ReasonLabels { reason }));
        }
        for found in Whereabouts::ALL.map(Whereabouts::as_str) {
            drop(self.looks.get_or_create(&SightLabels { found }));
        }
    }

    /// An observer that counts the requests of a client.
    pub(crate) fn observer(&self) -> Observer {
        let metrics = self.clone();
        Arc::new(move |exchange: Exchange| {
            metrics
                .requests
                .get_or_create(&RequestLabels {
                    endpoint: exchange.endpoint.as_str(),
                    status: exchange.status.unwrap_or(0),
                })
                .inc();
            metrics
                .request_time
                .get_or_create(&EndpointLabels {
                    endpoint: exchange.endpoint.as_str(),
                })
                .observe(exchange.elapsed.as_secs_f64());
            if let Some(date) = exchange.date {
                metrics.time.learn(date);
                metrics.clock_ahead.set(metrics.time.ahead().as_secs());
            }
            if let Some(concurrent) = exchange.concurrent_requests {
                metrics.concurrent_requests.set(concurrent.into());
            }
        })
    }

    /// Counts the end of a delivery; `plan` is the one that was used in the end.
    pub(crate) fn ended(&self, outcome: &Outcome, plan: Option<&str>) {
        self.deliveries
            .get_or_create(&OutcomeLabels {
                outcome: outcome.as_str(),
                plan: plan.unwrap_or(NO_PLAN).to_owned(),
            })
            .inc();
    }

    /// Counts what became of an attempt, and of the caller if it was their end.
    pub(crate) fn outcome(&self, plan: &str, outcome: OutcomeKind, caller: Option<CallerEnd>) {
        self.outcomes
            .get_or_create(&OutcomeLabels {
                outcome: outcome.as_str(),
                plan: plan.to_owned(),
            })
            .inc();
        if let Some(end) = caller.map(CallerEnd::as_str) {
            let plan = plan.to_owned();
            self.callers.get_or_create(&EndLabels { end, plan }).inc();
        }
    }

    pub(crate) fn redirected(&self, plan: &str, after: Duration) {
        self.time_to_redirect
            .get_or_create(&PlanLabels {
                plan: plan.to_owned(),
            })
            .observe(after.as_secs_f64());
    }

    pub(crate) fn dead_lettered(&self, reason: &Reason) {
        self.dead_letters
            .get_or_create(&ReasonLabels {
                reason: reason.as_str().to_owned(),
            })
            .inc();
    }

    pub(crate) fn retried(&self) {
        self.retries.inc();
    }

    pub(crate) fn looked(&self, found: Whereabouts) {
        let found = found.as_str();
        self.looks.get_or_create(&SightLabels { found }).inc();
    }

    /// A conversation that the event would have cut, had it been taken at its word.
    pub(crate) fn spared_conversation(&self) {
        self.spared_conversations.inc();
    }

    pub(crate) fn closed_task(&self) {
        self.closed_tasks.inc();
    }

    pub(crate) fn swept(&self) {
        self.sweeps.inc();
    }

    pub(crate) fn sweep_found(&self) {
        self.sweep_finds.inc();
    }

    /// Counts a delivery as held, until what this gives is dropped.
    pub(crate) fn delivered(&self, request: Option<&RedirectRequest>) -> DeliveryGuard {
        self.held.begin(request)
    }

    /// The deliveries held.
    pub(crate) fn held(&self) -> &Deliveries {
        &self.held
    }

    pub(crate) fn limiter(&self, api: &'static str, reading: Reading) {
        let set = |gauge: &Family<ApiLabels, Gauge>, value: usize| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            gauge.get_or_create(&ApiLabels { api }).set(value);
        };
        set(&self.in_flight, reading.in_flight);
        set(&self.allowance, reading.allowance);
        set(&self.held_back, usize::from(!reading.open));
    }
}
