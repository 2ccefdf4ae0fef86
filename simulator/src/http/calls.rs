//! Calls.

use std::collections::BTreeMap;

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio::CallSid;
use twilio::twiml::MAX_INLINE_CHARS;

use super::error::ApiError;
use super::request::ApiRequest;
use super::resource::{Resource, camel, fetch, find, kept};
use crate::dates::{Dates, rfc2822};
use crate::journal::HangUp;
use crate::line::Source;
use crate::ordered::Ordered;
use crate::resources::Call;
use crate::state::{NotInProgress, State, seconds_between};
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
            "parent_call_sid": null,
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
            "direction": "inbound",
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

pub(super) fn update(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let sid = find::<Call>(state, request)?.sid;
    let redirect = redirect(request)?;
    let hang_up = match request.form("Status") {
        None => false,
        Some("completed") => true,
        // Ends only calls that are queued or ringing, and answers 200 for others.
        Some("canceled") => return fetch::<Call>(state, request),
        Some(_) => return Err(ApiError::invalid("Status must be canceled or completed")),
    };
    let not_in_progress = |_: NotInProgress| ApiError::coded(400, 21220);
    match redirect {
        _ if hang_up => state.end_call(sid, HangUp::Api).map_err(not_in_progress)?,
        Some(redirect) => state
            .redirect(sid, &request.record.id, redirect)
            .map_err(not_in_progress)?,
        None => return Err(ApiError::invalid("Url, Twiml or Status is required")),
    }
    fetch::<Call>(state, request)
}

fn redirect(request: &ApiRequest) -> Result<Option<Source>, ApiError> {
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
