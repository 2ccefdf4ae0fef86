//! What an account has from the start, and no request changes: the account itself, its task channels, and
//! the countries that it may dial.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use twilio::AccountSid;

use super::error::ApiError;
use super::paging::page;
use super::request::ApiRequest;
use super::resource::links;
use crate::dates::{iso8601, rfc2822};
use crate::state::State;

/// The countries that the simulator knows: code, name, continent, calling code.
const COUNTRIES: [(&str, &str, &str, &str); 6] = [
    ("AU", "Australia", "OCEANIA", "+61"),
    ("DE", "Germany", "EUROPE", "+49"),
    ("FR", "France", "EUROPE", "+33"),
    ("GB", "United Kingdom", "EUROPE", "+44"),
    ("SG", "Singapore", "ASIA", "+65"),
    ("US", "United States", "NORTH_AMERICA", "+1"),
];

pub(super) fn fetch_account(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
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

pub(super) fn list_task_channels(
    state: &mut State,
    request: &ApiRequest,
) -> Result<Response, ApiError> {
    let workspace = request.workspace()?;
    let sid = state.demo.voice_channel;
    let url = format!(
        "{}v1/Workspaces/{workspace}/TaskChannels/{sid}",
        state.base_url
    );
    let now = iso8601(state.now());
    let voice = json!({
        "account_sid": state.account.sid,
        "date_created": now,
        "date_updated": now,
        "friendly_name": "Voice",
        "sid": sid,
        "unique_name": "voice",
        "workspace_sid": workspace,
        "channel_optimized_routing": false,
        "links": links(&url, ""),
        "url": url,
    });
    page(state, request, "channels", vec![((0, 0), voice)], |shown| {
        shown
    })
}

pub(super) fn fetch_country(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let asked: String = request.sid("IsoCode")?;
    let (iso_code, name, continent, calling_code) = COUNTRIES
        .into_iter()
        .find(|(code, ..)| *code == asked)
        .ok_or_else(|| request.not_found())?;
    let countries = format!("{}v1/DialingPermissions/Countries", state.base_url);
    let url = format!("{countries}/{iso_code}");
    let shown = json!({
        "iso_code": iso_code,
        "name": name,
        "continent": continent,
        "country_codes": [calling_code],
        "low_risk_numbers_enabled": !state.forbidden_countries.contains(iso_code),
        "high_risk_special_numbers_enabled": false,
        "high_risk_tollfraud_numbers_enabled": false,
        "links": links(&url, "highrisk_special_prefixes"),
        "url": url,
    });
    Ok(Json(shown).into_response())
}
