//! `/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers…`

use serde::Serialize;
use serde_json::{Value, json};
use twilio::{AccountSid, PhoneNumberSid};

use super::answer::{Answer, ApiError};
use super::endpoint::{Endpoint, Route};
use super::paging::{Uris, page};
use super::request::ApiRequest;
use crate::dates::rfc2822;
use crate::resources::IncomingNumber;
use crate::state::State;

const NUMBERS: &str = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers.json";
const NUMBER: &str = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers/{Sid}.json";

pub(super) const ROUTES: &[Route] = &[
    Route::get(Endpoint::ListIncomingPhoneNumber, NUMBERS, list),
    Route::get(Endpoint::FetchIncomingPhoneNumber, NUMBER, fetch),
    Route::post(Endpoint::UpdateIncomingPhoneNumber, NUMBER, update),
];

#[derive(Serialize)]
struct Shown<'a> {
    account_sid: AccountSid,
    address_sid: Option<&'a str>,
    address_requirements: &'a str,
    api_version: &'a str,
    beta: bool,
    capabilities: Value,
    date_created: String,
    date_updated: String,
    friendly_name: &'a str,
    identity_sid: Option<&'a str>,
    phone_number: &'a str,
    origin: &'a str,
    sid: PhoneNumberSid,
    sms_application_sid: Option<&'a str>,
    sms_fallback_method: &'a str,
    sms_fallback_url: &'a str,
    sms_method: &'a str,
    sms_url: &'a str,
    status_callback: &'a str,
    status_callback_method: &'a str,
    trunk_sid: Option<&'a str>,
    uri: String,
    voice_receive_mode: &'a str,
    voice_application_sid: Option<&'a str>,
    voice_caller_id_lookup: bool,
    voice_fallback_method: &'a str,
    voice_fallback_url: Option<&'a str>,
    voice_method: &'a str,
    voice_url: Option<&'a str>,
    emergency_status: &'a str,
    emergency_address_sid: Option<&'a str>,
    emergency_address_status: &'a str,
    bundle_sid: Option<&'a str>,
    status: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
}

fn list(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    struct List<'a> {
        #[serde(flatten)]
        uris: Uris,
        incoming_phone_numbers: Vec<Shown<'a>>,
    }
    request.check_account(state)?;
    // Twilio matches parts of numbers, too.
    let part = request.query("PhoneNumber");
    let numbers = state
        .incoming_numbers
        .numbered()
        .filter(|(_, number)| part.is_none_or(|part| number.number.as_str().contains(part)))
        .map(|(place, number)| ((0, place.cast_signed()), number))
        .collect();
    let page = page(request, numbers)?;
    Ok(Answer::ok(&List {
        uris: page.uris(),
        incoming_phone_numbers: page.items.iter().map(|n| show(state, n)).collect(),
    }))
}

fn fetch(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    request.check_account(state)?;
    let sid: PhoneNumberSid = request.sid("Sid")?;
    let number = state.incoming_numbers.get(&sid);
    let number = number.ok_or_else(|| request.not_found())?;
    Ok(Answer::ok(&show(state, number)))
}

fn update(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    request.check_account(state)?;
    let sid: PhoneNumberSid = request.sid("Sid")?;
    let voice_url = request.form("VoiceUrl");
    if voice_url.is_some_and(|url| !url.is_empty() && url::Url::parse(url).is_err()) {
        return Err(ApiError::new(400, 21402, "VoiceUrl is not valid"));
    }
    let voice_method = request.form("VoiceMethod");
    if voice_method.is_some_and(|method| !matches!(method, "GET" | "POST")) {
        return Err(ApiError::new(400, 21403, "VoiceMethod is not valid"));
    }
    let now = state.now();
    let number = state.incoming_numbers.get_mut(&sid);
    let number = number.ok_or_else(|| request.not_found())?;
    if let Some(url) = voice_url {
        url.clone_into(&mut number.voice_url);
    }
    if let Some(method) = voice_method {
        method.clone_into(&mut number.voice_method);
    }
    number.updated = now;
    fetch(state, request)
}

fn show<'a>(state: &State, number: &'a IncomingNumber) -> Shown<'a> {
    let account = state.account.sid;
    Shown {
        account_sid: account,
        address_sid: None,
        address_requirements: "none",
        api_version: "2010-04-01",
        beta: false,
        capabilities: json!({ "mms": true, "sms": true, "voice": true, "fax": false }),
        date_created: rfc2822(number.created),
        date_updated: rfc2822(number.updated),
        friendly_name: number.number.as_str(),
        identity_sid: None,
        phone_number: number.number.as_str(),
        origin: "twilio",
        sid: number.sid,
        sms_application_sid: None,
        sms_fallback_method: "POST",
        sms_fallback_url: "",
        sms_method: "POST",
        sms_url: "",
        status_callback: "",
        status_callback_method: "POST",
        trunk_sid: number.trunk.as_deref(),
        uri: format!(
            "/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{}.json",
            number.sid
        ),
        voice_receive_mode: "voice",
        voice_application_sid: number.voice_application.as_deref(),
        voice_caller_id_lookup: false,
        voice_fallback_method: "POST",
        voice_fallback_url: None,
        voice_method: &number.voice_method,
        voice_url: Some(number.voice_url.as_str()).filter(|url| !url.is_empty()),
        emergency_status: "Inactive",
        emergency_address_sid: None,
        emergency_address_status: "unregistered",
        bundle_sid: None,
        status: "in-use",
        kind: "local",
    }
}
