//! `POST /ladder/v1/…`: Twilio asks what comes next for a caller who is on a ladder. The path and the
//! plans say it, so any ingest answers, whatever else is away.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use ladder::{Hop, LADDER_HEADER, PATH};
use twilio::{FormParams, SignedUrl};

use crate::handlers::{Form, refusal, twiml};
use crate::ingest::Ingest;

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
    ([(LADDER_HEADER, hash)], twiml(&next.twiml)).into_response()
}
