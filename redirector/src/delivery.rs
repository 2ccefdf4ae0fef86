//! One delivery: decoded, done by a job, settled, and told of in logs, metrics and traces.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use queue::{Cause, Delivery, Reason, TraceParent};
use service::{Plan, telemetry};
use tracing::{Instrument, field};

use crate::job::Job;
use crate::outcome::{Outcome, PANICKED, PANICS};
use crate::shared::Shared;

/// Takes a delivery to its end, and settles it.
pub(crate) async fn handle(shared: &Shared, delivery: Delivery) {
    let request = delivery.message.request();
    let known = request.as_ref().ok();
    let plan = known.and_then(|request| shared.plans.get(&request.task_queue_sid));
    let held = shared.metrics.delivered(known);
    let traceparent = delivery.message.traceparent.as_ref();
    let of_trace = tracing::trace_span!(
        target: telemetry::TARGET,
        "process redirect request",
        otel.kind = "consumer",
        messaging.operation.r#type = "process",
        messaging.message.id = delivery.message.id.as_deref(),
        call_sid = known.map(|request| field::display(request.call_sid)),
        task_sid = known.map(|request| field::display(request.task_sid)),
        redelivered = delivery.redelivered,
        outcome = field::Empty,
    );
    telemetry::resume(&of_trace, traceparent);
    // At each level, for what is logged of a caller names the call.
    let span = tracing::error_span!(
        "delivery",
        event_sid = delivery.message.id.as_deref(),
        call_sid = known.map(|request| request.call_sid.to_string()),
        task_sid = known.map(|request| request.task_sid.to_string()),
        trace_id = traceparent.map(TraceParent::trace_id),
    );
    let work = async {
        let (outcome, plan, kept) = match (&request, plan) {
            (Ok(request), Some(plan)) => {
                // Unwind-safe: whatever it holds is released as it unwinds.
                let job = AssertUnwindSafe(Job::new(shared, request, plan, &held).run());
                match job.catch_unwind().await {
                    Ok((outcome, plan, kept)) => (outcome, Some(plan), kept),
                    Err(_) => (Outcome::Panicked, Some(plan), None),
                }
            }
            (Ok(request), None) => {
                let problem = format!("no redirect plan for task queue {}", request.task_queue_sid);
                (refused(Reason::NoPlan, problem), None, None)
            }
            (Err(error), _) => (refused(Reason::Undecodable, error.to_string()), None, None),
        };
        of_trace.record("outcome", outcome.as_str());
        let after = known.map(|request| shared.time.age(request.entered_at));
        if let Some(kept) = kept {
            // Its sender says so by its end.
            let _ = kept.await;
        }
        settle(shared, delivery, after, plan, outcome).await;
    };
    work.instrument(span).instrument(of_trace.clone()).await;
}

fn refused(reason: Reason, problem: String) -> Outcome {
    Outcome::Dead(Cause {
        reason,
        attempts: 0,
        last_error: Some(problem),
    })
}

async fn settle(
    shared: &Shared,
    delivery: Delivery,
    after: Option<Duration>,
    plan: Option<&Plan>,
    mut outcome: Outcome,
) {
    let (redelivered, delivery_count) = (delivery.redelivered, delivery.delivery_count);
    if outcome == Outcome::Panicked && delivery.message.panics + 1 >= PANICS {
        outcome = refused(Reason::Panicked, PANICKED.to_owned());
    }
    let settled = match &outcome {
        Outcome::Redirected
        | Outcome::AlreadyHandled
        | Outcome::CallEnded
        | Outcome::Transfer
        | Outcome::NotOurs => delivery.ack().await,
        Outcome::Dead(cause) => delivery.dead_letter(cause).await,
        Outcome::Released => delivery.release().await,
        Outcome::Panicked => delivery.panicked().await,
    };
    let plan = plan.map(|plan| plan.name.as_str());
    shared.metrics.ended(&outcome, plan);
    if let (Outcome::Redirected, Some(plan), Some(after)) = (&outcome, plan, after) {
        shared.metrics.redirected(plan, after);
    }
    if let Err(error) = settled {
        let outcome = outcome.as_str();
        tracing::warn!(outcome, %error, "not settled: it will be delivered again");
        return;
    }
    match &outcome {
        Outcome::Dead(cause) => {
            shared.metrics.dead_lettered(&cause.reason);
            tracing::error!(
                outcome = outcome.as_str(),
                plan,
                reason = cause.reason.as_str(),
                attempts = cause.attempts,
                last_error = cause.last_error.as_deref(),
                "a caller could not be redirected"
            );
        }
        Outcome::Transfer => tracing::warn!(
            outcome = outcome.as_str(),
            plan,
            "the task of a conference or transfer came to the placeholder queue: left alone"
        ),
        _ => tracing::info!(
            outcome = outcome.as_str(),
            plan,
            after_ms = after.map(telemetry::millis),
            redelivered,
            delivery_count,
            "{}",
            outcome.as_str()
        ),
    }
}
