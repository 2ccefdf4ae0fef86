//! `/2010-04-01/Accounts/{Sid}.json`

use serde_json::json;
use twilio::AccountSid;

use super::answer::{Answer, ApiError};
use super::operation::{Endpoint, Operation};
use super::request::ApiRequest;
use crate::dates::rfc2822;
use crate::state::State;

const ACCOUNT: &str = "/2010-04-01/Accounts/{Sid}.json";

pub(super) const OPERATIONS: &[Operation] =
    &[Operation::get(Endpoint::FetchAccount, ACCOUNT, fetch)];

fn fetch(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let sid: AccountSid = request.sid("Sid")?;
    if sid != state.account.sid {
        return Err(request.not_found());
    }
    let since = rfc2822(state.now());
    Ok(Answer::ok(json!({
        "auth_token": state.account.auth_token,
        "date_created": since,
        "date_updated": since,
        "friendly_name": "Simulated account",
        "owner_account_sid": sid,
        "sid": sid,
        "status": "active",
        "subresource_uris": { "calls": format!("/2010-04-01/Accounts/{sid}/Calls.json") },
        "type": "Full",
        "uri": format!("/2010-04-01/Accounts/{sid}.json"),
    })))
}
