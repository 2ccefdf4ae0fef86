//! `/2010-04-01/Accounts/{Sid}.json`

use serde::Serialize;
use serde_json::{Value, json};
use twilio::AccountSid;

use super::answer::{Answer, ApiError};
use super::endpoint::{Endpoint, Route};
use super::request::ApiRequest;
use crate::dates::rfc2822;
use crate::state::State;

const ACCOUNT: &str = "/2010-04-01/Accounts/{Sid}.json";

pub(super) const ROUTES: &[Route] = &[Route::get(Endpoint::FetchAccount, ACCOUNT, fetch)];

#[derive(Serialize)]
struct Shown<'a> {
    auth_token: &'a str,
    date_created: String,
    date_updated: String,
    friendly_name: &'a str,
    owner_account_sid: AccountSid,
    sid: AccountSid,
    status: &'a str,
    subresource_uris: Value,
    #[serde(rename = "type")]
    kind: &'a str,
    uri: String,
}

fn fetch(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let sid: AccountSid = request.sid("Sid")?;
    let account = &state.account;
    if sid != account.sid {
        return Err(request.not_found());
    }
    let since = state.now();
    Ok(Answer::ok(&Shown {
        auth_token: &account.auth_token,
        date_created: rfc2822(since),
        date_updated: rfc2822(since),
        friendly_name: "Simulated account",
        owner_account_sid: sid,
        sid,
        status: "active",
        subresource_uris: json!({ "calls": format!("/2010-04-01/Accounts/{sid}/Calls.json") }),
        kind: "Full",
        uri: format!("/2010-04-01/Accounts/{sid}.json"),
    }))
}
