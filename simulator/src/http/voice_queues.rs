//! `/2010-04-01/Accounts/{AccountSid}/Queues…`

use serde::Serialize;
use twilio::{AccountSid, QueueSid};

use super::answer::{Answer, ApiError};
use super::endpoint::{Endpoint, Route};
use super::paging::{Uris, page};
use super::request::ApiRequest;
use crate::dates::rfc2822;
use crate::resources::VoiceQueue;
use crate::state::{State, seconds_between};

const QUEUES: &str = "/2010-04-01/Accounts/{AccountSid}/Queues.json";
const QUEUE: &str = "/2010-04-01/Accounts/{AccountSid}/Queues/{Sid}.json";

pub(super) const ROUTES: &[Route] = &[
    Route::get(Endpoint::ListQueue, QUEUES, list),
    Route::get(Endpoint::FetchQueue, QUEUE, fetch),
];

#[derive(Serialize)]
struct Shown<'a> {
    date_updated: String,
    current_size: usize,
    friendly_name: &'a str,
    uri: String,
    account_sid: AccountSid,
    average_wait_time: i64,
    sid: QueueSid,
    date_created: String,
    max_size: u32,
}

fn list(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    struct List<'a> {
        #[serde(flatten)]
        uris: Uris,
        queues: Vec<Shown<'a>>,
    }
    request.check_account(state)?;
    let queues = state
        .voice_queues
        .numbered()
        .map(|(number, queue)| ((0, number.cast_signed()), queue))
        .collect();
    let page = page(request, queues)?;
    Ok(Answer::ok(&List {
        uris: page.uris(),
        queues: page.items.iter().map(|queue| show(state, queue)).collect(),
    }))
}

fn fetch(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    request.check_account(state)?;
    let sid: QueueSid = request.sid("Sid")?;
    let queue = state.voice_queues.get(&sid);
    let queue = queue.ok_or_else(|| request.not_found())?;
    Ok(Answer::ok(&show(state, queue)))
}

fn show<'a>(state: &State, queue: &'a VoiceQueue) -> Shown<'a> {
    let now = state.now();
    let size = queue.members.len();
    let waited: i64 = queue
        .members
        .values()
        .map(|since| seconds_between(*since, now))
        .sum();
    Shown {
        date_updated: rfc2822(queue.created),
        current_size: size,
        friendly_name: &queue.friendly_name,
        uri: format!(
            "/2010-04-01/Accounts/{}/Queues/{}.json",
            state.account.sid, queue.sid
        ),
        account_sid: state.account.sid,
        average_wait_time: i64::try_from(size).map_or(0, |size| waited / size.max(1)),
        sid: queue.sid,
        date_created: rfc2822(queue.created),
        max_size: queue.max_size,
    }
}
