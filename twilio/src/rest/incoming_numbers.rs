//! Phone numbers of the account, and where calls to them go
//! (<https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource>).

use serde::{Deserialize, Serialize};

use super::{Client, Endpoint, RestError, null_is_empty};
use crate::json::lenient;
use crate::{AccountSid, E164, PhoneNumberSid};

/// A phone number of the account.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct IncomingNumber {
    /// Its SID.
    pub sid: PhoneNumberSid,
    /// The number itself.
    #[serde(default, deserialize_with = "null_is_empty")]
    phone_number: String,
    /// Where calls to it go.
    #[serde(flatten)]
    pub voice: VoiceWebhook,
    /// Set, this application decides where calls go, whatever the webhook says.
    #[serde(default, deserialize_with = "lenient")]
    voice_application_sid: Option<String>,
    /// Set, this SIP trunk takes the calls, whatever the webhook says.
    #[serde(default, deserialize_with = "lenient")]
    trunk_sid: Option<String>,
}

/// What is requested when a call comes in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceWebhook {
    /// The URL; empty where there is none.
    #[serde(rename = "voice_url", default, deserialize_with = "null_is_empty")]
    pub url: String,
    /// `GET` or `POST`; empty where Twilio doesn't say.
    #[serde(rename = "voice_method", default, deserialize_with = "null_is_empty")]
    pub method: String,
}

impl std::fmt::Debug for VoiceWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold credentials.
        write!(f, "VoiceWebhook({} …)", self.method)
    }
}

impl std::fmt::Debug for IncomingNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IncomingNumber({})", self.sid)
    }
}

impl IncomingNumber {
    /// Whether it is this number.
    pub fn is(&self, number: &E164) -> bool {
        self.phone_number == number.as_str()
    }

    /// The number; `None` if it can't be read.
    pub fn number(&self) -> Option<E164> {
        self.phone_number.parse().ok()
    }

    /// The TwiML application that takes its calls in place of the webhook.
    pub fn voice_application(&self) -> Option<&str> {
        self.voice_application_sid.as_deref()
    }

    /// The SIP trunk that takes its calls in place of the webhook.
    pub fn trunk(&self) -> Option<&str> {
        self.trunk_sid.as_deref()
    }
}

impl Client {
    /// The account's phone numbers: all, or those like `number`.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn incoming_numbers(
        &self,
        account: &AccountSid,
        number: Option<&E164>,
    ) -> Result<Vec<IncomingNumber>, RestError> {
        let filter = match number {
            // The plus, encoded; digits need no encoding.
            Some(number) => format!("&PhoneNumber=%2B{}", &number.as_str()[1..]),
            None => String::new(),
        };
        let first = format!(
            "/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json?PageSize=1000{filter}"
        );
        self.list(
            Endpoint::ListIncomingPhoneNumber,
            first,
            "incoming_phone_numbers",
        )
        .await
    }

    /// Whether the account may show the number to those whom it dials though it isn't its own: it was
    /// verified (<https://www.twilio.com/docs/voice/api/outgoing-caller-ids>).
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn is_verified(
        &self,
        account: &AccountSid,
        number: &E164,
    ) -> Result<bool, RestError> {
        #[derive(Deserialize)]
        struct Verified {}
        let number = &number.as_str()[1..];
        let first = format!(
            "/2010-04-01/Accounts/{account}/OutgoingCallerIds.json?PhoneNumber=%2B{number}"
        );
        let endpoint = Endpoint::ListOutgoingCallerId;
        let listed: Vec<Verified> = self.list(endpoint, first, "outgoing_caller_ids").await?;
        Ok(!listed.is_empty())
    }

    /// Reads a number of the account's; `None` where it has no such number.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn incoming_number(
        &self,
        account: &AccountSid,
        number: &PhoneNumberSid,
    ) -> Result<Option<IncomingNumber>, RestError> {
        let path = format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{number}.json");
        self.find(Endpoint::FetchIncomingPhoneNumber, &path).await
    }

    /// Sets where calls to a number go. An empty URL sends them nowhere.
    ///
    /// # Errors
    /// Twilio refused, or no answer came: then it may be done.
    pub async fn update_incoming_number(
        &self,
        account: &AccountSid,
        number: &PhoneNumberSid,
        voice: &VoiceWebhook,
    ) -> Result<IncomingNumber, RestError> {
        let mut form = vec![("VoiceUrl", voice.url.as_str())];
        if !voice.method.is_empty() {
            form.push(("VoiceMethod", &voice.method));
        }
        let path = format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{number}.json");
        self.post(Endpoint::UpdateIncomingPhoneNumber, &path, &form)
            .await
    }
}
