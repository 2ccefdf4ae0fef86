//! `/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers…`

use serde_json::{Value, json};
use twilio::PhoneNumberSid;

use super::answer::{Answer, ApiError};
use super::operation::{Endpoint, Operation};
use super::request::ApiRequest;
use super::resource::{Resource, fetch, find_mut, kept, list};
use crate::dates::rfc2822;
use crate::ordered::Ordered;
use crate::resources::IncomingNumber;
use crate::state::State;

const NUMBERS: &str = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers.json";
const NUMBER: &str = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers/{Sid}.json";

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get(
        Endpoint::ListIncomingPhoneNumber,
        NUMBERS,
        list::<IncomingNumber>,
    ),
    Operation::get(
        Endpoint::FetchIncomingPhoneNumber,
        NUMBER,
        fetch::<IncomingNumber>,
    ),
    Operation::post(Endpoint::UpdateIncomingPhoneNumber, NUMBER, update),
];

impl Resource for IncomingNumber {
    kept!(PhoneNumberSid, incoming_numbers, "incoming_phone_numbers");

    /// As Twilio does, matches parts of numbers.
    fn is_wanted(&self, request: &ApiRequest) -> Result<bool, ApiError> {
        let part = request.query("PhoneNumber");
        Ok(part.is_none_or(|part| self.number.as_str().contains(part)))
    }

    fn show(&self, state: &State) -> Value {
        let account = state.account.sid;
        json!({
            "account_sid": account,
            "address_sid": null,
            "address_requirements": "none",
            "api_version": "2010-04-01",
            "beta": false,
            "capabilities": { "mms": true, "sms": true, "voice": true, "fax": false },
            "date_created": rfc2822(self.created),
            "date_updated": rfc2822(self.updated),
            "friendly_name": self.number.as_str(),
            "identity_sid": null,
            "phone_number": self.number.as_str(),
            "origin": "twilio",
            "sid": self.sid,
            "sms_application_sid": null,
            "sms_fallback_method": "POST",
            "sms_fallback_url": "",
            "sms_method": "POST",
            "sms_url": "",
            "status_callback": "",
            "status_callback_method": "POST",
            "trunk_sid": self.trunk,
            "uri": format!(
            "/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{}.json",
            self.sid
        ),
            "voice_receive_mode": "voice",
            "voice_application_sid": self.voice_application,
            "voice_caller_id_lookup": false,
            "voice_fallback_method": "POST",
            "voice_fallback_url": null,
            "voice_method": self.voice_method,
            "voice_url": Some(self.voice_url.as_str()).filter(|url| !url.is_empty()),
            "emergency_status": "Inactive",
            "emergency_address_sid": null,
            "emergency_address_status": "unregistered",
            "bundle_sid": null,
            "status": "in-use",
            "type": "local",
        })
    }
}

fn update(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let voice_url = request.form("VoiceUrl");
    if voice_url.is_some_and(|url| !url.is_empty() && url::Url::parse(url).is_err()) {
        return Err(ApiError::new(400, 21402, "VoiceUrl is not valid"));
    }
    let voice_method = request.form("VoiceMethod");
    if voice_method.is_some_and(|method| !matches!(method, "GET" | "POST")) {
        return Err(ApiError::new(400, 21403, "VoiceMethod is not valid"));
    }
    let now = state.now();
    let number = find_mut::<IncomingNumber>(state, request)?;
    if let Some(url) = voice_url {
        url.clone_into(&mut number.voice_url);
    }
    if let Some(method) = voice_method {
        method.clone_into(&mut number.voice_method);
    }
    number.updated = now;
    fetch::<IncomingNumber>(state, request)
}
