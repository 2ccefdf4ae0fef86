//! Phone numbers of the account.

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio::PhoneNumberSid;

use super::error::ApiError;
use super::request::ApiRequest;
use super::resource::{Resource, change, kept};
use crate::dates::rfc2822;
use crate::ordered::Ordered;
use crate::resources::IncomingNumber;
use crate::state::State;

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
            "date_created": rfc2822(self.dates.created),
            "date_updated": rfc2822(self.dates.updated),
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

pub(super) fn update(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let voice_url = request.form("VoiceUrl");
    if voice_url.is_some_and(|url| !url.is_empty() && url::Url::parse(url).is_err()) {
        return Err(ApiError::new(400, 21402, "VoiceUrl is not valid"));
    }
    let voice_method = request.form("VoiceMethod");
    if voice_method.is_some_and(|method| !matches!(method, "GET" | "POST")) {
        return Err(ApiError::new(400, 21403, "VoiceMethod is not valid"));
    }
    change(state, request, |number: &mut IncomingNumber| {
        request.replace(&mut number.voice_url, "VoiceUrl");
        request.replace(&mut number.voice_method, "VoiceMethod");
    })
}
