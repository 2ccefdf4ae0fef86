//! What the service needs, and what it does with an event.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clock::Clock;
use parking_lot::Mutex;
use queue::{Content, Message, Queue, RedirectRequest, Source};
use service::http::ListenerMetrics;
use service::settings::TwilioSettings;
use service::{Host, Plans, telemetry};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use twilio::{
    AccountSid, CallSid, EVENT_STREAM_PATH, EVENTS_PATH, FormParams, PublicUrl, SignatureVerifier,
    SignedUrl, TWIML_PATH, TaskQueueSid, TaskRouterEvent, TaskSid,
};

use crate::endings::Told;
use crate::filter::{Ignored, redirect_request};
use crate::metrics::Metrics;
use crate::outbox::{self, Outbox};
use crate::outcome::Outcome;
use crate::settings::IngestSettings;
use crate::spooled::Spooled;

/// How many tasks are remembered, to warn of each once.
const MAX_WARNED: usize = 1024;

/// The service that takes event callbacks.
pub struct Ingest {
    pub(crate) verifier: SignatureVerifier,
    pub(crate) public_url: PublicUrl,
    pub(crate) events_url: SignedUrl,
    pub(crate) event_stream_url: SignedUrl,
    pub(crate) twiml_url: SignedUrl,
    pub(crate) plans: Plans,
    pub(crate) metrics: Metrics,
    account: AccountSid,
    pub(crate) clock: Clock,
    pub(crate) outbox: Outbox,
    pub(crate) stop_timeout: Duration,
    pub(crate) max_connections: NonZeroUsize,
    pub(crate) connections: ListenerMetrics,
    /// Publishes, also those whose clients have left.
    pub(crate) under_way: TaskTracker,
    warned: Mutex<HashSet<TaskSid>>,
    warned_of_caller_id: AtomicBool,
    pub(crate) warned_of_plans: AtomicBool,
}

impl Ingest {
    /// A service that publishes to the host's queue, or to the spool while that is away. An
    /// embedded queue has no spool: the disk that fails it would fail both.
    ///
    /// # Errors
    /// The spool can't be used.
    pub async fn new(
        host: &mut Host,
        settings: &IngestSettings,
        twilio: &TwilioSettings,
        verifier: SignatureVerifier,
        plans: Plans,
    ) -> anyhow::Result<Self> {
        let spool = match (&settings.spool, &host.on_broker) {
            (Some(spool), Some(queue)) => {
                Some(outbox::open_spool(spool, queue, settings.publish_timeout).await?)
            }
            _ => None,
        };
        Ok(Self::with_spool(
            host,
            settings,
            twilio.account_sid,
            verifier,
            plans,
            spool,
        ))
    }

    /// A service with a spool that is open already, or none.
    pub fn with_spool(
        host: &mut Host,
        settings: &IngestSettings,
        account: AccountSid,
        verifier: SignatureVerifier,
        plans: Plans,
        spool: Option<Arc<dyn Queue>>,
    ) -> Self {
        let metrics = Metrics::register(&mut host.registry);
        let outbox = Outbox {
            queue: host.queue.clone(),
            spool,
            spooled: Spooled::default(),
            publish_timeout: settings.publish_timeout,
            metrics: metrics.clone(),
        };
        host.report(outbox.reporter(&plans, &host.clock));
        match outbox.readiness() {
            Some(check) => host.check(check),
            None => host.check_queue(),
        }
        let url = |path| SignedUrl::new(&settings.public_url.join(path));
        Self {
            verifier,
            public_url: settings.public_url.clone(),
            events_url: url(EVENTS_PATH),
            event_stream_url: url(EVENT_STREAM_PATH),
            twiml_url: url(TWIML_PATH),
            plans,
            account,
            clock: host.clock.clone(),
            outbox,
            metrics,
            stop_timeout: settings.stop_timeout,
            max_connections: settings.max_connections,
            connections: host.connections.of("public"),
            under_way: TaskTracker::new(),
            warned: Mutex::default(),
            warned_of_caller_id: AtomicBool::new(false),
            warned_of_plans: AtomicBool::new(false),
        }
    }

    /// Whether that is our account, and no placeholder task queue.
    pub(crate) fn is_elsewhere(&self, (account, task_queue): (AccountSid, TaskQueueSid)) -> bool {
        account == self.account && self.plans.get(&task_queue).is_none()
    }

    /// Takes one event of Twilio's.
    pub(crate) async fn take(self: &Arc<Self>, event: &TaskRouterEvent, source: Source) -> Outcome {
        if event.account_sid != self.account {
            tracing::warn!(account_sid = %event.account_sid, "an event of another account was refused");
            return Outcome::ForeignAccount;
        }
        let request = match redirect_request(event, source, &self.plans, self.clock.now()) {
            Ok(request) => request,
            Err(why) => {
                self.warn_once(event, why);
                return Outcome::Ignored(why);
            }
        };
        let (span, traceparent) = telemetry::publishing(&request);
        // What is logged of a caller says so at the same place in both services.
        let of_log = tracing::error_span!(
            "callback",
            event_sid = %request.event_sid,
            call_sid = %request.call_sid,
            task_sid = %request.task_sid,
            trace_id = traceparent.trace_id(),
        );
        if event.attributes.caller.lacks_number {
            of_log.in_scope(|| self.warn_of_caller_id(&request));
        }
        let task_queue_sid = request.task_queue_sid;
        let message = Message {
            content: request.into(),
            traceparent: Some(traceparent),
        };
        let ingest = Arc::clone(self);
        let sender = CancellationToken::new();
        let has_left = sender.clone();
        // Dropped with us, when the client leaves.
        let _stays = sender.drop_guard();
        // On its own, so that a client that leaves doesn't cut the publish short.
        let publish = async move { ingest.publish(message, task_queue_sid, &has_left).await };
        let published = publish.instrument(of_log).instrument(span);
        let published = self.under_way.spawn(published);
        published.await.unwrap_or_else(Outcome::panicked)
    }

    async fn publish(
        &self,
        message: Message,
        task_queue_sid: TaskQueueSid,
        has_left: &CancellationToken,
    ) -> Outcome {
        let started = Instant::now();
        let outcome = self.outbox.publish(&message).await;
        match &outcome {
            Outcome::Unavailable(error) => tracing::error!(
                %error,
                "not durable; {}",
                match has_left.is_cancelled() {
                    true => "who sent it has gone without an answer, a sweep may find the caller",
                    false => "Twilio is asked to send it again",
                }
            ),
            _ => tracing::info!(
                %task_queue_sid,
                durable_in_ms = telemetry::millis(started.elapsed()),
                "{outcome}"
            ),
        }
        outcome
    }

    /// What is known of a caller of that plan when Twilio says something of them.
    pub(crate) fn told<'a>(&self, plan: &'a str, params: &'a FormParams) -> Told<'a> {
        Told {
            account: self.account,
            at: self.clock.now(),
            plan,
            params,
        }
    }

    /// Puts on the queue what became of a caller, if that is wanted: whoever is answered meanwhile
    /// doesn't wait for it, unless they wait for this.
    pub(crate) fn pass_on(self: &Arc<Self>, outcome: queue::Outcome) -> JoinHandle<Outcome> {
        let ingest = Arc::clone(self);
        self.under_way.spawn(async move {
            let started = Instant::now();
            let message = Message {
                content: Content::Outcome(outcome.clone()),
                traceparent: None,
            };
            let published = ingest.outbox.publish(&message).await;
            let (call, plan, step) = (outcome.call_sid, outcome.plan, outcome.step);
            let outcome_of_it = outcome.outcome.as_str();
            match &published {
                Outcome::Unavailable(error) => tracing::error!(
                    call_sid = %call, plan, step, outcome = outcome_of_it, %error,
                    "what became of a caller is not durable; Twilio sends it again, or is asked later"
                ),
                _ => tracing::info!(
                    call_sid = %call, plan, step, outcome = outcome_of_it,
                    seconds = outcome.seconds,
                    durable_in_ms = telemetry::millis(started.elapsed()),
                    "an outcome was {published}"
                ),
            }
            published
        })
    }

    /// Warns once of a plan that has no number to show for callers who have none themselves.
    fn warn_of_caller_id(&self, request: &RedirectRequest) {
        let plan = self.plans.get(&request.task_queue_sid);
        let Some(plan) = plan.filter(|plan| plan.needs_callers_number()) else {
            return;
        };
        if !self.warned_of_caller_id.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                plan = plan.name,
                "a caller has no number to show (by SIP, from a client, or withheld): Twilio takes \
                 the redirect, and may then refuse to dial (error 13214); set FORWARD_CALLER_ID_FALLBACK, \
                 or caller_id_fallback of the plan"
            );
        }
    }

    /// Warns, once for each task, of what an operator should see to.
    fn warn_once(&self, event: &TaskRouterEvent, why: Ignored) {
        if !matches!(why, Ignored::NoCall | Ignored::Conversation(_)) {
            return;
        }
        let mut warned = self.warned.lock();
        if warned.len() >= MAX_WARNED {
            warned.clear();
        }
        if !warned.insert(event.task_sid) {
            return;
        }
        let _of_log = tracing::error_span!(
            "callback",
            event_sid = %event.sid,
            call_sid = event.attributes.call_sid.as_ref().map(CallSid::as_str),
            task_sid = %event.task_sid,
        )
        .entered();
        match why {
            Ignored::Conversation(conversation) => tracing::warn!(
                conversation = conversation.as_str(),
                "a caller who has been talked to came to a placeholder task queue and is left \
                 alone: a redirect might cut the conversation; see whether somebody has the caller"
            ),
            _ => tracing::warn!(
                "a task without a call entered a placeholder task queue: nothing to redirect; \
                 keep other channels out of that queue by the workflow's filters"
            ),
        }
    }
}
