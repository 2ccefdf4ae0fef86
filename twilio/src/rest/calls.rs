//! The Calls API (<https://www.twilio.com/docs/voice/api/call-resource>).

use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Client, Endpoint, RestError};
use crate::twiml::Twiml;
use crate::{AccountSid, CallSid, E164, caller};

/// What a call is to do from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions<'a> {
    /// This document, sent with the request: no second round trip, nothing to host.
    Twiml(&'a Twiml),
    /// The document that Twilio will fetch from this URL, by a signed `GET`.
    Url(&'a str),
}

/// `status` of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallStatus {
    /// Waiting to be made.
    Queued,
    /// Not answered yet.
    Ringing,
    /// Answered and alive.
    InProgress,
    /// Ended by a hang-up.
    Completed,
    /// Ended unanswered: busy.
    Busy,
    /// Ended: could not be connected.
    Failed,
    /// Ended unanswered: nobody picked up.
    NoAnswer,
    /// Ended before it was answered.
    Canceled,
    /// A status that Twilio added later.
    #[serde(other)]
    Unknown,
}

impl Client {
    /// Updates a live call. Returns Twilio's request ID, if the answer has one.
    ///
    /// # Errors
    /// Twilio refused, or no answer came; see [`RestError`] for whether it may have acted.
    pub async fn update_call(
        &self,
        account: &AccountSid,
        call: &CallSid,
        instructions: Instructions<'_>,
    ) -> Result<Option<String>, RestError> {
        let path = format!("/2010-04-01/Accounts/{account}/Calls/{call}.json");
        let request = self.request(Method::POST, Endpoint::UpdateCall, &path);
        let request = match instructions {
            Instructions::Twiml(twiml) => request.form(&[("Twiml", twiml.as_str())]),
            Instructions::Url(url) => request.form(&[("Url", url), ("Method", "GET")]),
        };
        self.send_only(Endpoint::UpdateCall, request).await
    }

    /// The status of a call; `None` where Twilio knows no such call.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn call_status(
        &self,
        account: &AccountSid,
        call: &CallSid,
    ) -> Result<Option<CallStatus>, RestError> {
        #[derive(Deserialize)]
        struct Call {
            status: CallStatus,
        }
        let call = self.call(account, call).await?;
        Ok(call.map(|call: Call| call.status))
    }

    /// The number of whoever called; `None` where Twilio knows no such call, or the caller has none.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn caller_number(
        &self,
        account: &AccountSid,
        call: &CallSid,
    ) -> Result<Option<E164>, RestError> {
        #[derive(Deserialize)]
        struct Call {
            from: Option<String>,
        }
        let call: Option<Call> = self.call(account, call).await?;
        let from = call.and_then(|call| call.from);
        Ok(from.and_then(|from| caller::number(&from)))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        account: &AccountSid,
        call: &CallSid,
    ) -> Result<Option<T>, RestError> {
        let path = format!("/2010-04-01/Accounts/{account}/Calls/{call}.json");
        self.find(Endpoint::FetchCall, &path).await
    }
}
