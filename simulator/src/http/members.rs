//! `/2010-04-01/Accounts/{AccountSid}/Queues/{QueueSid}/Members…`

use jiff::Timestamp;
use serde::Serialize;
use twilio::{CallSid, QueueSid};

use super::answer::{Answer, ApiError};
use super::calls::{twiml_method, twiml_url};
use super::endpoint::{Endpoint, Route};
use super::paging::{Uris, page};
use super::request::ApiRequest;
use crate::dates::rfc2822;
use crate::state::{Redirect, State, seconds_between};

const MEMBERS: &str = "/2010-04-01/Accounts/{AccountSid}/Queues/{QueueSid}/Members.json";
const MEMBER: &str = "/2010-04-01/Accounts/{AccountSid}/Queues/{QueueSid}/Members/{CallSid}.json";

pub(super) const ROUTES: &[Route] = &[
    Route::get(Endpoint::ListMember, MEMBERS, list),
    Route::get(Endpoint::FetchMember, MEMBER, fetch),
    Route::post(Endpoint::UpdateMember, MEMBER, dequeue),
];

#[derive(Serialize)]
struct Shown {
    call_sid: CallSid,
    date_enqueued: String,
    position: usize,
    uri: String,
    wait_time: i64,
    queue_sid: QueueSid,
}

fn list(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    struct List {
        #[serde(flatten)]
        uris: Uris,
        queue_members: Vec<Shown>,
    }
    request.check_account(state)?;
    let queue: QueueSid = request.sid("QueueSid")?;
    let members = state.voice_queues.get(&queue).map(|queue| &queue.members);
    let members = members.ok_or_else(|| request.not_found())?;
    let members = members
        .entries()
        .enumerate()
        .map(|(rank, (number, call, since))| ((0, number.cast_signed()), (rank, *call, *since)))
        .collect();
    let page = page(request, members)?;
    let path = request.path.trim_end_matches(".json");
    Ok(Answer::ok(&List {
        uris: page.uris(),
        queue_members: page
            .items
            .iter()
            .map(|(rank, call, since)| {
                show(
                    state,
                    queue,
                    *call,
                    *since,
                    *rank,
                    format!("{path}/{call}.json"),
                )
            })
            .collect(),
    }))
}

fn fetch(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    find(state, request).map(|member| Answer::ok(&member))
}

fn dequeue(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let member = find(state, request)?;
    let redirect = Redirect::Url {
        url: twiml_url(request.required("Url")?)?,
        method: twiml_method(request)?,
    };
    state
        .redirect(member.call_sid, &request.id, redirect)
        .map_err(|_| request.not_found())?;
    Ok(Answer::ok(&member))
}

fn find(state: &State, request: &ApiRequest) -> Result<Shown, ApiError> {
    request.check_account(state)?;
    let queue: QueueSid = request.sid("QueueSid")?;
    let call: CallSid = request.sid("CallSid")?;
    let members = state.voice_queues.get(&queue).map(|queue| &queue.members);
    let (since, rank) = members
        .and_then(|members| Some((*members.get(&call)?, members.rank(&call)?)))
        .ok_or_else(|| request.not_found())?;
    Ok(show(state, queue, call, since, rank, request.path.clone()))
}

fn show(
    state: &State,
    queue: QueueSid,
    call: CallSid,
    since: Timestamp,
    rank: usize,
    uri: String,
) -> Shown {
    Shown {
        call_sid: call,
        date_enqueued: rfc2822(since),
        position: rank + 1,
        uri,
        wait_time: seconds_between(since, state.now()),
        queue_sid: queue,
    }
}
