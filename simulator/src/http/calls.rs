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
use crate::journal::{CalleeLog, HangUp};
use crate::line::Source;
use crate::ordered::Ordered;
use crate::resources::{Activity, Call, Leg};
use crate::state::{MakeCall, NotInProgress, State, seconds_between};
use crate::twiml::Ask;

const SUBRESOURCES: &str = "notifications recordings payments events siprec streams \
     transcriptions user_defined_message_subscriptions user_defined_messages";

impl Resource for Call {
    kept!(CallSid, calls, "calls");

    fn show(&self, state: &State) -> Value {
        let Dates { created, .. } = self.dates;
        let lasted = self.ended.map(|ended| seconds_between(created, ended));
        let shown = Shown {
            sid: self.sid,
            caller: None,
            from: &self.from,
            to: &self.to,
            status: self.status(),
            direction: self.direction(),
            dates: self.dates,
            ended: self.ended,
            duration: lasted.map(|seconds| seconds.to_string()),
            queue_time: self.queue_time,
        };
        shown.show(state)
    }
}

impl Resource for Leg {
    kept!(CallSid, legs, "calls");

    fn show(&self, state: &State) -> Value {
        let callee = state.callee_log(self.caller, self.index);
        let lasted = callee.and_then(|callee| state.lasted(callee));
        let shown = Shown {
            sid: self.sid,
            caller: Some(self.caller),
            from: &self.from,
            to: callee.map_or(&self.from, |callee| &callee.number),
            status: callee.map_or("failed", CalleeLog::status),
            direction: "outbound-dial",
            dates: self.dates,
            ended: self.ended,
            duration: lasted
                .filter(|_| self.ended.is_some())
                .map(|lasted| lasted.as_secs().to_string()),
            queue_time: 0,
        };
        shown.show(state)
    }
}

/// A call, or one that was made for its caller.
struct Shown<'a> {
    sid: CallSid,
    caller: Option<CallSid>,
    from: &'a E164,
    to: &'a E164,
    status: &'a str,
    direction: &'a str,
    dates: Dates,
    ended: Option<Timestamp>,
    duration: Option<String>,
    queue_time: i64,
}

impl Shown<'_> {
    fn show(self, state: &State) -> Value {
        let account = state.account.sid;
        let uri = format!("/2010-04-01/Accounts/{account}/Calls/{}", self.sid);
        let below = SUBRESOURCES
            .split_whitespace()
            .map(|name| (name, format!("{uri}/{}.json", camel(name))));
        let (from, to) = (self.from.as_str(), self.to.as_str());
        let Dates { created, updated } = self.dates;
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
            "status": self.status,
            "start_time": rfc2822(created),
            "end_time": self.ended.map(rfc2822),
            "duration": self.duration,
            "price": null,
            "price_unit": "USD",
            "direction": self.direction,
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

/// A call, or one to somebody who was rung.
pub(super) fn fetch_any(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let sid = request.sid("Sid")?;
    match state.legs.get(&sid).is_some() {
        true => fetch::<Leg>(state, request),
        false => fetch::<Call>(state, request),
    }
}

/// Those who were rung for a caller, where the query names one.
pub(super) fn list_all(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let Some(caller) = request.parsed_query::<CallSid>("ParentCallSid")? else {
        return list::<Call>(state, request);
    };
    let rung = (0..).zip(state.legs_of(&caller));
    let rung = rung.map(|(place, leg)| ((0, place), leg)).collect();
    page(state, request, Leg::LIST, rung, |leg| leg.show(state))
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
