//! `/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json`

use serde::Serialize;
use serde_json::{Map, Value};
use twilio::{AccountSid, CallSid};

use super::answer::{Answer, ApiError};
use super::endpoint::{Endpoint, Route};
use super::request::ApiRequest;
use crate::dates::rfc2822;
use crate::journal::HangUp;
use crate::resources::{Call, CallStatus};
use crate::state::{NotInProgress, Redirect, State, TwimlMethod, seconds_between};

const CALL: &str = "/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json";

/// The longest inline TwiML, in characters.
const MAX_TWIML: usize = 4000;

const SUBRESOURCES: [&str; 9] = [
    "notifications",
    "recordings",
    "payments",
    "events",
    "siprec",
    "streams",
    "transcriptions",
    "user_defined_message_subscriptions",
    "user_defined_messages",
];

pub(super) const ROUTES: &[Route] = &[
    Route::get(Endpoint::FetchCall, CALL, fetch),
    Route::post(Endpoint::UpdateCall, CALL, update),
];

fn fetch(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    find(state, request).map(|call| show(state, call))
}

fn update(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let sid = find(state, request)?.sid;
    let redirect = redirect(request)?;
    let hang_up = match request.form("Status") {
        None => false,
        Some("completed") => true,
        // Ends calls that are queued or ringing only, and says 200 to others.
        Some("canceled") => return fetch(state, request),
        Some(_) => return Err(ApiError::invalid("Status must be canceled or completed")),
    };
    let not_in_progress = |_: NotInProgress| ApiError::coded(400, 21220);
    match redirect {
        _ if hang_up => state.end_call(sid, HangUp::Api).map_err(not_in_progress)?,
        Some(redirect) => state
            .redirect(sid, &request.id, redirect)
            .map_err(not_in_progress)?,
        None => return Err(ApiError::invalid("Url, Twiml or Status is required")),
    }
    fetch(state, request)
}

fn redirect(request: &ApiRequest) -> Result<Option<Redirect>, ApiError> {
    match (request.form("Twiml"), request.form("Url")) {
        (Some(_), Some(_)) => Err(ApiError::invalid("Url and Twiml are mutually exclusive")),
        (Some(twiml), None) if twiml.chars().count() > MAX_TWIML => Err(ApiError::invalid(
            format!("Twiml must be at most {MAX_TWIML} characters long"),
        )),
        (Some(twiml), None) => Ok(Some(Redirect::Twiml(twiml.to_owned()))),
        (None, Some(url)) => Ok(Some(Redirect::Url {
            url: twiml_url(url)?,
            method: twiml_method(request)?,
        })),
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

pub(super) fn twiml_method(request: &ApiRequest) -> Result<TwimlMethod, ApiError> {
    match request.form("Method") {
        None | Some("POST") => Ok(TwimlMethod::Post),
        Some("GET") => Ok(TwimlMethod::Get),
        Some(_) => Err(ApiError::invalid("Method must be GET or POST")),
    }
}

fn find<'a>(state: &'a State, request: &ApiRequest) -> Result<&'a Call, ApiError> {
    request.check_account(state)?;
    let sid: CallSid = request.sid("Sid")?;
    state.calls.get(&sid).ok_or_else(|| request.not_found())
}

#[derive(Serialize)]
struct Shown<'a> {
    sid: CallSid,
    date_created: String,
    date_updated: String,
    parent_call_sid: Option<CallSid>,
    account_sid: AccountSid,
    to: &'a str,
    to_formatted: &'a str,
    from: &'a str,
    from_formatted: &'a str,
    phone_number_sid: Option<&'a str>,
    status: CallStatus,
    start_time: String,
    end_time: Option<String>,
    duration: Option<String>,
    price: Option<&'a str>,
    price_unit: &'a str,
    direction: &'a str,
    answered_by: Option<&'a str>,
    api_version: &'a str,
    forwarded_from: Option<&'a str>,
    group_sid: Option<&'a str>,
    caller_name: Option<&'a str>,
    queue_time: String,
    trunk_sid: Option<&'a str>,
    uri: String,
    subresource_uris: Map<String, Value>,
}

fn show(state: &State, call: &Call) -> Answer {
    let account = state.account.sid;
    let uri = format!("/2010-04-01/Accounts/{account}/Calls/{}", call.sid);
    let started = rfc2822(call.started);
    Answer::ok(&Shown {
        sid: call.sid,
        date_created: started.clone(),
        date_updated: rfc2822(call.updated),
        parent_call_sid: None,
        account_sid: account,
        to: call.to.as_str(),
        to_formatted: call.to.as_str(),
        from: call.from.as_str(),
        from_formatted: call.from.as_str(),
        phone_number_sid: None,
        status: call.status,
        start_time: started,
        end_time: call.ended.map(rfc2822),
        duration: call
            .ended
            .map(|ended| seconds_between(call.started, ended).to_string()),
        price: None,
        price_unit: "USD",
        direction: "inbound",
        answered_by: None,
        api_version: "2010-04-01",
        forwarded_from: None,
        group_sid: None,
        caller_name: None,
        queue_time: (call.queue_time * 1000).to_string(),
        trunk_sid: None,
        subresource_uris: SUBRESOURCES
            .iter()
            .map(|name| {
                (
                    (*name).to_owned(),
                    format!("{uri}/{}.json", super::camel(name)).into(),
                )
            })
            .collect(),
        uri: format!("{uri}.json"),
    })
}
