//! Voice queues, and their members: the callers on hold.

use axum::Json;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio::{CallSid, QueueSid};

use super::calls::twiml_url;
use super::error::ApiError;
use super::paging::page;
use super::request::ApiRequest;
use super::resource::{Resource, kept};
use crate::dates::rfc2822;
use crate::line::Source;
use crate::ordered::Ordered;
use crate::resources::{LARGEST_QUEUE, VoiceQueue};
use crate::state::{State, seconds_between};
use crate::twiml::Ask;

impl Resource for VoiceQueue {
    kept!(QueueSid, voice_queues, "queues");

    fn show(&self, state: &State) -> Value {
        let (account, now) = (state.account.sid, state.now());
        let size = self.members.len();
        let waits = self
            .members
            .values()
            .map(|since| seconds_between(*since, now));
        let waited: i64 = waits.sum();
        json!({
            "date_updated": rfc2822(self.dates.created),
            "current_size": size,
            "friendly_name": self.workflow,
            "uri": format!("/2010-04-01/Accounts/{account}/Queues/{}.json", self.sid),
            "account_sid": account,
            "average_wait_time": i64::try_from(size).map_or(0, |size| waited / size.max(1)),
            "sid": self.sid,
            "date_created": rfc2822(self.dates.created),
            "max_size": LARGEST_QUEUE,
        })
    }
}

pub(super) fn list_members(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let queue = queue(state, request)?;
    let members = queue
        .members
        .entries()
        .enumerate()
        .map(|(rank, (number, call, since))| ((0, number.cast_signed()), (*call, *since, rank)));
    let members = members.collect();
    page(
        state,
        request,
        "queue_members",
        members,
        |(call, since, rank)| show_member(state, queue.sid, call, since, rank),
    )
}

pub(super) fn fetch_member(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    Ok(Json(find_member(state, request)?.1).into_response())
}

pub(super) fn dequeue(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let (call, member) = find_member(state, request)?;
    let source = Source::Url(Ask {
        url: twiml_url(request.required("Url")?)?,
        method: request.word("Method")?.unwrap_or_default(),
    });
    state
        .redirect(call, &request.record.id, source)
        .map_err(|_| request.not_found())?;
    Ok(Json(member).into_response())
}

fn queue<'a>(state: &'a State, request: &ApiRequest) -> Result<&'a VoiceQueue, ApiError> {
    let queue = state.voice_queues.get(&request.sid("QueueSid")?);
    queue.ok_or_else(|| request.not_found())
}

fn find_member(state: &State, request: &ApiRequest) -> Result<(CallSid, Value), ApiError> {
    let queue = queue(state, request)?;
    let call: CallSid = request.sid("CallSid")?;
    let members = &queue.members;
    let found = members.get(&call).zip(members.rank(&call));
    let (since, rank) = found.ok_or_else(|| request.not_found())?;
    Ok((call, show_member(state, queue.sid, call, *since, rank)))
}

fn show_member(
    state: &State,
    queue: QueueSid,
    call: CallSid,
    since: Timestamp,
    rank: usize,
) -> Value {
    let account = state.account.sid;
    json!({
        "call_sid": call,
        "date_enqueued": rfc2822(since),
        "position": rank + 1,
        "uri": format!("/2010-04-01/Accounts/{account}/Queues/{queue}/Members/{call}.json"),
        "wait_time": seconds_between(since, state.now()),
        "queue_sid": queue,
    })
}
