//! What an account has from the start, and no request changes: the account itself, its task channels, a
//! verified number, and the countries that it may dial.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use twilio::AccountSid;

use super::error::ApiError;
use super::paging::page;
use super::request::ApiRequest;
use super::resource::links;
use crate::dates::{iso8601, rfc2822};
use crate::state::State;

/// A country: code, name, continent, calling codes.
type Country = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

/// The countries that the simulator knows, as Twilio lists them: two together, and some that share a
/// calling code or begin with another's.
const COUNTRIES: [Country; 10] = [
    ("AU", "Australia", "OCEANIA", &["+61"]),
    ("DE", "Germany", "EUROPE", &["+49"]),
    ("FR", "France", "EUROPE", &["+33"]),
    ("GB", "United Kingdom", "EUROPE", &["+44"]),
    ("IT", "Italy", "EUROPE", &["+39"]),
    ("JM", "Jamaica", "NORTH_AMERICA", &["+1658", "+1876"]),
    ("KZ", "Kazakhstan", "ASIA", &["+7"]),
    ("RU", "Russia", "EUROPE", &["+7"]),
    ("SG", "Singapore", "ASIA", &["+65"]),
    ("US", "United States/Canada", "NORTH_AMERICA", &["+1"]),
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
    let voice = voice_channel(state, request)?;
    page(state, request, "channels", vec![((0, 0), voice)], |shown| {
        shown
    })
}

/// Named by its SID or its unique name.
pub(super) fn fetch_task_channel(
    state: &mut State,
    request: &ApiRequest,
) -> Result<Response, ApiError> {
    let asked: String = request.sid("Sid")?;
    let voice = voice_channel(state, request)?;
    match state.is_task_channel(&asked) {
        true => Ok(Json(voice).into_response()),
        false => Err(request.not_found()),
    }
}

fn voice_channel(state: &State, request: &ApiRequest) -> Result<Value, ApiError> {
    let workspace = request.workspace()?;
    let sid = state.demo.voice_channel;
    let workspace_url = format!("{}v1/Workspaces/{workspace}", state.base_url);
    let now = iso8601(state.now());
    Ok(json!({
        "account_sid": state.account.sid,
        "date_created": now,
        "date_updated": now,
        "friendly_name": "Voice",
        "sid": sid,
        "unique_name": "voice",
        "workspace_sid": workspace,
        "channel_optimized_routing": false,
        "url": format!("{workspace_url}/TaskChannels/{sid}"),
        "links": { "workspace": workspace_url },
    }))
}

/// The one number that was verified.
pub(super) const VERIFIED: &str = "+14155550160";

pub(super) fn list_verified(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let wanted = request.query("PhoneNumber");
    let verified = wanted.is_none_or(|wanted| wanted == VERIFIED);
    let listed: Vec<_> = verified.then_some(((0, 0), VERIFIED)).into_iter().collect();
    let (account, since) = (state.account.sid, rfc2822(state.now()));
    let sid = format!("PN{:032x}", 1);
    page(state, request, "outgoing_caller_ids", listed, |number| {
        json!({
            "sid": sid,
            "date_created": since,
            "date_updated": since,
            "friendly_name": "The switchboard",
            "account_sid": account,
            "phone_number": number,
            "uri": format!("/2010-04-01/Accounts/{account}/OutgoingCallerIds/{sid}.json"),
        })
    })
}

pub(super) fn list_countries(
    state: &mut State,
    request: &ApiRequest,
) -> Result<Response, ApiError> {
    let countries = (0..)
        .zip(COUNTRIES)
        .map(|(place, country)| ((0, place), country));
    page(state, request, "content", countries.collect(), |country| {
        let (iso_code, name, continent, calling_codes) = country;
        let countries = format!("{}v1/DialingPermissions/Countries", state.base_url);
        let url = format!("{countries}/{iso_code}");
        json!({
            "iso_code": iso_code,
            "name": name,
            "continent": continent,
            "country_codes": calling_codes,
            "low_risk_numbers_enabled": !state.forbidden_countries.contains(iso_code),
            "high_risk_special_numbers_enabled": false,
            "high_risk_tollfraud_numbers_enabled": false,
            "links": links(&url, "highrisk_special_prefixes"),
            "url": url,
        })
    })
}
