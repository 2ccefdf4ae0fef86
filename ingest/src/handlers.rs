//! What is done with each request: signature, parse, filter, publish, answer.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use ladder::Offer;
use queue::Source;
use service::telemetry;
use tracing::{Instrument, field};
use twilio::twiml::Twiml;
use twilio::{
    Caller, EVENT_STREAM_PATH, EVENTS_PATH, FormParams, PROBE_EVENT, SignedUrl, TaskQueueSid,
    TaskRouterEvent,
};

use crate::filter::Ignored;
use crate::ingest::Ingest;
use crate::outcome::Outcome;
use crate::signed::Signed;

/// A form: several times TaskRouter's limit for a task's attributes.
pub(crate) type Form = Signed<{ 256 * 1024 }>;

/// A batch of Event Streams.
pub(crate) type Batch = Signed<{ 1024 * 1024 }>;

/// The parameter that chooses the plan whose TwiML is wanted.
const PLAN_PARAMETER: &str = "TaskQueueSid";

/// `POST /taskrouter/events`: TaskRouter's event callback.
pub(crate) async fn event_callback(State(ingest): State<Arc<Ingest>>, form: Form) -> Outcome {
    let take = async {
        let outcome = take_form(&ingest, &form).await;
        report(&ingest, &outcome);
        outcome
    };
    timed(&ingest, EVENTS_PATH, take).await
}

async fn take_form(ingest: &Arc<Ingest>, form: &Form) -> Outcome {
    let params = FormParams::parse(&form.body);
    if let Err(error) = ingest.verifier.verify_form(
        &ingest.events_url,
        form.query.as_deref(),
        &params,
        form.signature(),
    ) {
        return match params.get("EventType") {
            Some(PROBE_EVENT) => Outcome::RefusedProbe,
            _ => Outcome::Forged(error),
        };
    }
    if TaskRouterEvent::entered(&params).is_some_and(|entered| ingest.is_elsewhere(entered)) {
        return Outcome::Ignored(Ignored::OtherTaskQueue);
    }
    match TaskRouterEvent::from_form(&params) {
        Ok(Some(event)) => ingest.take(&event, Source::Callback).await,
        Ok(None) => Outcome::Ignored(Ignored::OtherType),
        Err(error) => Outcome::Malformed(error),
    }
}

/// `POST /taskrouter/event-stream`: a webhook sink of Event Streams.
pub(crate) async fn event_stream(State(ingest): State<Arc<Ingest>>, batch: Batch) -> Outcome {
    timed(&ingest, EVENT_STREAM_PATH, take_batch(&ingest, &batch)).await
}

async fn take_batch(ingest: &Arc<Ingest>, batch: &Batch) -> Outcome {
    let verified = ingest.verifier.verify_body(
        &ingest.event_stream_url,
        batch.query.as_deref(),
        &batch.body,
        batch.signature(),
    );
    let events = match verified {
        Err(error) => Err(Outcome::Forged(error)),
        Ok(()) => TaskRouterEvent::from_cloud_events(&batch.body).map_err(Outcome::Malformed),
    };
    match events {
        Err(outcome) => {
            report(ingest, &outcome);
            outcome
        }
        Ok(events) => {
            let outcomes = join_all(events.into_iter().map(|event| async {
                let outcome = match event {
                    Ok(Some(event)) => ingest.take(&event, Source::EventStream).await,
                    Ok(None) => Outcome::Ignored(Ignored::OtherType),
                    Err(error) => Outcome::Malformed(error),
                };
                report(ingest, &outcome);
                outcome
            }))
            .await;
            Outcome::of_batch(outcomes)
        }
    }
}

/// Times a callback, and begins its trace.
async fn timed(
    ingest: &Ingest,
    route: &'static str,
    take: impl Future<Output = Outcome>,
) -> Outcome {
    let started = Instant::now();
    let span = tracing::trace_span!(
        target: telemetry::TARGET,
        "callback",
        otel.name = format_args!("POST {route}"),
        otel.kind = "server",
        http.request.method = "POST",
        http.route = route,
        outcome = field::Empty,
    );
    let outcome = take.instrument(span.clone()).await;
    span.record("outcome", outcome.label());
    ingest.metrics.acknowledged(started.elapsed());
    outcome
}

/// `GET|POST /twiml/redirect`: the TwiML of a plan, where Twilio is told to fetch it. The plan is that
/// of the task queue named in the URL's query, else the default one.
pub(crate) async fn redirect_twiml(
    State(ingest): State<Arc<Ingest>>,
    method: Method,
    request: Form,
) -> Response {
    let query = FormParams::parse(request.query().as_bytes());
    let form = FormParams::parse(match method {
        Method::POST => &request.body,
        _ => &[],
    });
    if let Some(refused) = refusal(&ingest, &ingest.twiml_url, &request, &form) {
        return refused;
    }
    let plan = match query.get(PLAN_PARAMETER) {
        None => ingest.plans.default_plan(),
        Some(sid) => sid
            .parse::<TaskQueueSid>()
            .ok()
            .and_then(|task_queue| ingest.plans.get(&task_queue)),
    };
    // A GET has what Twilio says of the call in its query.
    let params = if method == Method::POST { form } else { query };
    match plan {
        Some(plan) => {
            let first = plan.begin(&Caller::of(&params), ingest.clock.now());
            if first.offer == Offer::LastWords
                && ingest.plans.outcomes()
                && let Some(outcome) = ingest.told(&plan.name, &params).closed()
            {
                // The caller doesn't wait for it.
                drop(ingest.pass_on(outcome));
            }
            twiml(&first.twiml)
        }
        None => (
            StatusCode::NOT_FOUND,
            format!("no redirect plan for that {PLAN_PARAMETER}\n"),
        )
            .into_response(),
    }
}

/// The answer to a form that asks for a document, where it isn't Twilio's.
pub(crate) fn refusal(
    ingest: &Ingest,
    url: &SignedUrl,
    form: &Form,
    params: &FormParams,
) -> Option<Response> {
    let (query, signature) = (form.query.as_deref(), form.signature());
    let verified = ingest.verifier.verify_form(url, query, params, signature);
    let outcome = Outcome::Forged(verified.err()?);
    report(ingest, &outcome);
    Some(outcome.into_response())
}

/// A document for Twilio.
pub(crate) fn twiml(document: &Twiml) -> Response {
    ([(CONTENT_TYPE, "text/xml")], document.as_str().to_owned()).into_response()
}

/// Counts the outcome, and logs those that somebody should look at.
fn report(ingest: &Ingest, outcome: &Outcome) {
    ingest.metrics.event(outcome);
    match outcome {
        Outcome::Forged(error) => tracing::warn!(%error, "a request was refused as not Twilio's"),
        Outcome::Malformed(error) => tracing::warn!(%error, "an event cannot be read"),
        _ => {}
    }
}
