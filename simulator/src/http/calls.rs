//! Calls.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio::twiml::MAX_INLINE_CHARS;
use twilio::{CallSid, E164};

use super::error::ApiError;
use super::fixed::VERIFIED;
use super::paging::page;
use super::request::ApiRequest;
use super::resource::{Resource, camel, fetch, find, kept, list};
use crate::dates::{Dates, rfc2822};
use crate::journal::HangUp;
use crate::line::Source;
use crate::ordered::Ordered;
use crate::resources::{Activity, Call};
use crate::state::{MakeCall, NotInProgress, State, seconds_between};
use crate::twiml::Ask;

const SUBRESOURCES: &str = "notifications recordings payments events siprec streams \
     transcriptions user_defined_message_subscriptions user_defined_messages";

impl Resource for Call {
    kept!(CallSid, calls, "calls");

    fn show(&self, state: &State) -> Value {
        let account = state.account.sid;
        let uri = format!("/2010-04-01/Accounts/{account}/Calls/{}", self.sid);
        let below = SUBRESOURCES
            .split_whitespace()
            .map(|name| (name, format!("{uri}/{}.json", camel(name))));
        let (from, to) = (self.from.as_str(), self.to.as_str());
        let Dates { created, updated } = self.dates;
        let duration = self.ended.map(|ended| seconds_between(created, ended));
        json!({
            "sid": self.sid,
            "date_created": rfc2822(created),
            "date_updated": rfc2822(updated),
            "parent_call_sid": self.caller,
            "account_sid": account,
            "to": to,
            "to_formatted": to,
            "from": from,
            "from_formatted": from,
            "phone_number_sid": null,
            "status": self.status(),
            "start_time": rfc2822(created),
            "end_time": self.ended.map(rfc2822),
            "duration": duration.map(|seconds| seconds.to_string()),
            "price": null,
            "price_unit": "USD",
            "direction": self.direction(),
            "answered_by": null,
            "api_version": "2010-04-01",
            "forwarded_from": null,
            "group_sid": null,
            "caller_name": null,
            "queue_time": (self.queue_time * 1000).to_string(),
            "trunk_sid": null,
            "uri": format!("{uri}.json"),
            "subresource_uris": below.collect::<BTreeMap<_, _>>(),
        })
    }
}

/// Those who were rung for a caller, where the query names one.
pub(super) fn list_all(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let Some(caller) = request.parsed_query::<CallSid>("ParentCallSid")? else {
        return list::<Call>(state, request);
    };
    let call = state.calls.get(&caller);
    let rung = state.journal.caller(&caller).zip(call);
    let rung = rung.into_iter().flat_map(|(log, call)| {
        let legs = log.callees.iter().map(|callee| call.leg(callee));
        (0..).zip(legs).map(|(place, leg)| ((0, place), leg))
    });
    page(state, request, Call::LIST, rung.collect(), |leg| {
        leg.show(state)
    })
}

pub(super) fn create(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let number = |name, code| {
        let number = request.required(name)?.parse::<E164>();
        number.map_err(|_| ApiError::new(400, code, format!("{name} is not a valid phone number")))
    };
    let (to, from) = (number("To", 21211)?, number("From", 21212)?);
    let owned = state
        .incoming_numbers
        .values()
        .any(|own| own.number == from);
    if !owned && from.as_str() != VERIFIED {
        let message = "From is neither a number of the account's nor verified";
        return Err(ApiError::new(400, 21210, message));
    }
    let source = source(request)?;
    let seconds =
        |name| -> Result<_, ApiError> { Ok(request.parsed(name)?.map(Duration::from_secs)) };
    let sid = state.make_call(MakeCall {
        to,
        from,
        source: source.ok_or_else(|| ApiError::new(400, 21205, "Url or Twiml is required"))?,
        timeout: seconds("Timeout")?.unwrap_or(Duration::from_secs(60)),
        time_limit: seconds("TimeLimit")?,
    });
    let call = state.calls.get(&sid).ok_or_else(|| request.not_found())?;
    Ok((StatusCode::CREATED, Json(call.show(state))).into_response())
}

pub(super) fn update(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let call = find::<Call>(state, request)?;
    let (sid, rings) = (call.sid, call.activity == Activity::Ringing);
    let redirect = source(request)?;
    let hang_up = match request.form("Status") {
        None => false,
        Some("completed") => true,
        // Ends only calls that are queued or ringing, and answers 200 for others.
        Some("canceled") if rings => true,
        Some("canceled") => return fetch::<Call>(state, request),
        Some(_) => return Err(ApiError::invalid("Status must be canceled or completed")),
    };
    let not_in_progress = |_: NotInProgress| ApiError::coded(400, 21220);
    match redirect {
        _ if hang_up => state.end_call(sid, HangUp::Api).map_err(not_in_progress)?,
        Some(_) if rings => return Err(not_in_progress(NotInProgress)),
        Some(redirect) => state
            .redirect(sid, &request.record.id, redirect)
            .map_err(not_in_progress)?,
        None => return Err(ApiError::invalid("Url, Twiml or Status is required")),
    }
    fetch::<Call>(state, request)
}

/// Where the call's instructions are.
fn source(request: &ApiRequest) -> Result<Option<Source>, ApiError> {
    match (request.form("Twiml"), request.form("Url")) {
        (Some(_), Some(_)) => Err(ApiError::invalid("Url and Twiml are mutually exclusive")),
        (Some(twiml), None) if twiml.chars().count() > MAX_INLINE_CHARS => Err(ApiError::invalid(
            format!("Twiml must be at most {MAX_INLINE_CHARS} characters long"),
        )),
        (Some(twiml), None) => Ok(Some(Source::Inline(twiml.to_owned()))),
        (None, Some(url)) => Ok(Some(Source::Url(Ask {
            url: twiml_url(url)?,
            method: request.word("Method")?.unwrap_or_default(),
        }))),
        (None, None) => Ok(None),
    }
}

/// A URL from which TwiML can be fetched.
pub(super) fn twiml_url(url: &str) -> Result<String, ApiError> {
    let valid = url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    match valid {
        true => Ok(url.to_owned()),
        false => Err(ApiError::new(400, 21205, "Url is not a valid URL")),
    }
}
