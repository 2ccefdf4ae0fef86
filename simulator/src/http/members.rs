//! Members of voice queues: the callers on hold.

use axum::Json;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio::{CallSid, QueueSid};

use super::calls::{twiml_method, twiml_url};
use super::error::ApiError;
use super::paging::page;
use super::request::ApiRequest;
use crate::dates::rfc2822;
use crate::resources::VoiceQueue;
use crate::state::{Redirect, State, seconds_between};

pub(super) fn list(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let queue = queue(state, request)?;
    let members = queue
        .members
        .entries()
        .enumerate()
        .map(|(rank, (number, call, since))| ((0, number.cast_signed()), (*call, *since, rank)));
    let path = request.path.trim_end_matches(".json");
    page(
        state,
        request,
        "queue_members",
        members.collect(),
        |(call, since, rank)| {
            show(
                state,
                queue.sid,
                call,
                since,
                rank,
                &format!("{path}/{call}.json"),
            )
        },
    )
}

pub(super) fn fetch(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    Ok(Json(find(state, request)?.1).into_response())
}

pub(super) fn dequeue(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let (call, member) = find(state, request)?;
    let redirect = Redirect::Url {
        url: twiml_url(request.required("Url")?)?,
        method: twiml_method(request)?,
    };
    state
        .redirect(call, &request.id, redirect)
        .map_err(|_| request.not_found())?;
    Ok(Json(member).into_response())
}

fn queue<'a>(state: &'a State, request: &ApiRequest) -> Result<&'a VoiceQueue, ApiError> {
    let queue = state.voice_queues.get(&request.sid("QueueSid")?);
    queue.ok_or_else(|| request.not_found())
}

fn find(state: &State, request: &ApiRequest) -> Result<(CallSid, Value), ApiError> {
    let queue = queue(state, request)?;
    let call: CallSid = request.sid("CallSid")?;
    let (since, rank) = Some(&queue.members)
        .and_then(|members| Some((*members.get(&call)?, members.rank(&call)?)))
        .ok_or_else(|| request.not_found())?;
    Ok((
        call,
        show(state, queue.sid, call, since, rank, &request.path),
    ))
}

fn show(
    state: &State,
    queue: QueueSid,
    call: CallSid,
    since: Timestamp,
    rank: usize,
    uri: &str,
) -> Value {
    json!({
        "call_sid": call,
        "date_enqueued": rfc2822(since),
        "position": rank + 1,
        "uri": uri,
        "wait_time": seconds_between(since, state.now()),
        "queue_sid": queue,
    })
}
