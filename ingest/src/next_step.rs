//! `POST /ladder/v1/…`: Twilio asks what comes next for a caller who is on a ladder, or tells how a call
//! to a number ended. The path and the plans say what to answer, so any ingest does, whatever else is
//! away.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ladder::{Hop, LADDER_HEADER, PATH, Stage};
use twilio::{FormParams, SignedUrl};

use crate::handlers::{Form, refusal, twiml};
use crate::ingest::Ingest;
use crate::outcome::Outcome;

pub(crate) async fn next_step(
    State(ingest): State<Arc<Ingest>>,
    Path(rest): Path<String>,
    form: Form,
) -> Response {
    let params = FormParams::parse(&form.body);
    let url = SignedUrl::new(&ingest.public_url.join(&format!("{PATH}{rest}")));
    if let Some(refused) = refusal(&ingest, &url, &form, &params) {
        return refused;
    }
    // A path that was signed, and that we don't read, is another version's: its caller hears the last words.
    let hop = Hop::parse(&rest).unwrap_or_else(|_| Hop::unknown());
    if hop.stage == Stage::Ended {
        return ended(&ingest, &hop, &params).await;
    }
    let (now, public_url) = (ingest.clock.now(), &ingest.public_url);
    let next = ingest.plans.answer(&hop, &params, now, public_url);
    let is_the_same = next.hash == Some(hop.hash);
    ingest.metrics.asked(&hop, is_the_same);
    tracing::info!(
        call_sid = params.get("CallSid"),
        plan = hop.plan,
        step = %hop.position,
        dial_status = params.get("DialCallStatus"),
        "{}",
        hop.stage
    );
    if !is_the_same && !ingest.warned_of_plans.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            plan = hop.plan,
            "a caller is on a ladder that this ingest knows otherwise: redirectors and ingests must \
             have the same plans; the caller goes on with what there is here"
        );
    }
    let hash = next.hash.unwrap_or("none").to_owned();
    let answer = ([(LADDER_HEADER, hash)], twiml(&next.twiml)).into_response();
    if ingest.plans.outcomes() {
        let told = ingest.told(ingest.plans.name_of(&hop), &params);
        let outcomes = [told.of_dial(&hop), told.of_caller(&hop, next.offer)];
        for outcome in outcomes.into_iter().flatten() {
            // The caller doesn't wait for it.
            drop(ingest.pass_on(outcome));
        }
    }
    answer
}

/// A call to a number is over: Twilio is answered once that is durable.
async fn ended(ingest: &Arc<Ingest>, hop: &Hop<'_>, params: &FormParams) -> Response {
    ingest.metrics.asked(hop, true);
    if !ingest.plans.outcomes() {
        return StatusCode::NO_CONTENT.into_response();
    }
    let told = ingest.told(ingest.plans.name_of(hop), params);
    let Some(outcome) = told.of_leg(&ingest.plans, hop) else {
        // Doctor's test is of no call.
        if params.get("CallSid").is_some() {
            tracing::warn!(
                plan = told.plan,
                "Twilio says something of a call to a number that can't be read as its end"
            );
        }
        return StatusCode::NO_CONTENT.into_response();
    };
    let published = ingest.pass_on(outcome).await;
    published.unwrap_or_else(Outcome::panicked).into_response()
}
