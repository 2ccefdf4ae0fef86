//! Puts a request on the queue for each caller who waits and whom no redirector is working on.

use std::time::Duration;

use queue::{Message, RedirectRequest};
use service::report::OnHold;
use service::telemetry;
use tokio::time::Instant;
use tracing::Instrument;

use crate::shared::Shared;

/// A request that was put on the queue has come to something by then, or to nothing. It is put
/// there again after this long, and then after twice as long each time.
const AGAIN_AFTER: Duration = Duration::from_secs(75);

/// What was seen of a caller, or of the task that stands for one.
pub(super) struct Seen {
    /// When it was first seen and no redirector was working on it.
    pub(super) idle_since: Option<Instant>,
    /// When its caller was first seen to be out of the voice queue.
    pub(super) absent_since: Option<Instant>,
    /// The caller, if they have waited for longer than an event takes to come.
    pub(super) waits: Option<OnHold>,
    /// When its request may be put on the queue (again), and how long it is left alone then.
    due: Option<Instant>,
    alone_for: Duration,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            idle_since: None,
            absent_since: None,
            waits: None,
            due: None,
            alone_for: AGAIN_AFTER,
        }
    }
}

/// What a sweep found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    Nobody,
    /// Somebody whom no redirector seems to be working on.
    Some,
}

impl Seen {
    /// Puts the request on the queue if two sweeps have found nobody working on it. Returns whether
    /// to look again soon.
    pub(super) async fn take_up(
        &mut self,
        mut request: RedirectRequest,
        grace: Duration,
        backlog: bool,
        shared: &Shared,
    ) -> bool {
        let now = Instant::now();
        let waited = shared.time.age(request.entered_at);
        self.waits = (waited >= grace).then(|| OnHold {
            call_sid: request.call_sid,
            task_sid: request.task_sid,
            plan: shared.plan_name(&request),
            since: shared.clock.now() - waited,
        });
        if backlog || waited < grace || shared.calls.is_at_work(&request.call_sid) {
            self.idle_since = None;
            return false;
        }
        let idle_since = *self.idle_since.get_or_insert(now);
        if self.due.is_some_and(|due| now < due) {
            return false;
        }
        if now < idle_since + grace.mul_f64(0.8) {
            return true;
        }
        // However long we were away: the caller still waits.
        request.requeued_at = Some(shared.time.now());
        let (span, traceparent) = telemetry::publishing(&request);
        let of_log = tracing::error_span!(
            "sweep",
            event_sid = %request.event_sid,
            call_sid = %request.call_sid,
            task_sid = %request.task_sid,
            trace_id = traceparent.trace_id(),
        );
        let message = Message {
            content: request.into(),
            traceparent: Some(traceparent),
        };
        let published = shared.queue.publish(&message).instrument(span).await;
        let _of_log = of_log.entered();
        if let Err(error) = published {
            tracing::warn!(%error, "a waiting caller could not be put on the queue yet");
            return true;
        }
        self.due = Some(now + self.alone_for);
        self.alone_for *= 2;
        shared.metrics.sweep_found();
        tracing::warn!(
            waiting_ms = telemetry::millis(waited),
            "found a waiting caller whom no redirector is working on: a request was put on the queue"
        );
        false
    }
}
