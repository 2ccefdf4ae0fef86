//! The account itself.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use twilio::AccountSid;

use super::error::ApiError;
use super::request::ApiRequest;
use crate::dates::rfc2822;
use crate::state::State;

pub(super) fn fetch(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let sid: AccountSid = request.sid("Sid")?;
    if sid != state.account.sid {
        return Err(request.not_found());
    }
    let since = rfc2822(state.now());
    let shown = json!({
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
    });
    Ok(Json(shown).into_response())
}
