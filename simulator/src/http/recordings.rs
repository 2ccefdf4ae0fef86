//! Recordings of a call.

use axum::response::Response;
use serde_json::json;
use twilio::CallSid;

use super::error::ApiError;
use super::paging::page;
use super::request::ApiRequest;
use crate::dates::rfc2822;
use crate::resources::Recording;
use crate::state::State;

pub(super) fn list(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let call: CallSid = request.sid("CallSid")?;
    if state.calls.get(&call).is_none() && state.legs.get(&call).is_none() {
        return Err(request.not_found());
    }
    let recordings = state.recordings.entries();
    let recordings = recordings
        .filter(|(_, _, recording)| recording.call == call)
        .map(|(number, _, recording)| ((0, number.cast_signed()), recording))
        .collect();
    let account = state.account.sid;
    page(
        state,
        request,
        "recordings",
        recordings,
        |recording: &Recording| {
            let sid = recording.sid;
            let (created, updated) = (recording.dates.created, recording.dates.updated);
            json!({
                "account_sid": account,
                "api_version": "2010-04-01",
                "call_sid": call,
                "conference_sid": null,
                "date_created": rfc2822(created),
                "date_updated": rfc2822(updated),
                "start_time": rfc2822(created),
                "duration": recording.lasted.as_secs().to_string(),
                "sid": sid,
                "price": null,
                "uri": format!("/2010-04-01/Accounts/{account}/Calls/{call}/Recordings/{sid}.json"),
                "encryption_details": null,
                "price_unit": "USD",
                "status": "completed",
                "channels": 1,
                "source": "RecordVerb",
                "error_code": null,
                "track": null,
            })
        },
    )
}
