//! The Calls API (<https://www.twilio.com/docs/voice/api/call-resource>).

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};

use super::{Client, Endpoint, RestError, rfc2822, seconds};
use crate::json::lenient;
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

impl CallStatus {
    /// The status of that name.
    pub fn from_name(name: &str) -> Self {
        let name: StrDeserializer<'_, Error> = name.into_deserializer();
        Self::deserialize(name).unwrap_or(Self::Unknown)
    }

    /// Whether it is one of an ended call.
    pub fn is_over(self) -> bool {
        match self {
            Self::Completed | Self::Busy | Self::Failed | Self::NoAnswer | Self::Canceled => true,
            Self::Queued | Self::Ringing | Self::InProgress | Self::Unknown => false,
        }
    }
}

/// A call to be made.
#[derive(Debug, Clone, Copy)]
pub struct CallDraft<'a> {
    /// Who is called.
    pub to: E164,
    /// The number that they see: the account's own, or verified.
    pub from: E164,
    /// Where Twilio asks, by a signed `POST`, what whoever picks up is to hear.
    pub url: &'a str,
    /// How long it rings, in seconds.
    pub timeout: u32,
    /// How long it may last, in seconds.
    pub time_limit: u32,
}

/// A call that was made for another: one of those who are rung for a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct ChildCall {
    /// The call to them.
    pub sid: CallSid,
    /// How far it has come.
    pub status: CallStatus,
    /// Their number, if it can be read.
    #[serde(default, deserialize_with = "lenient")]
    pub to: Option<E164>,
    /// How long it lasted since somebody picked up; zero where nobody did, or it isn't over.
    #[serde(default, deserialize_with = "seconds")]
    pub duration: Duration,
    /// When it was made, to the second.
    #[serde(rename = "date_created", default, deserialize_with = "rfc2822")]
    pub created_at: Option<Timestamp>,
}

impl Client {
    /// Makes a call.
    ///
    /// # Errors
    /// Twilio refused, or no answer came: then the phone may ring.
    pub async fn create_call(
        &self,
        account: &AccountSid,
        draft: CallDraft<'_>,
    ) -> Result<CallSid, RestError> {
        #[derive(Deserialize)]
        struct Made {
            sid: CallSid,
        }
        let path = format!("/2010-04-01/Accounts/{account}/Calls.json");
        let form = [
            ("To", draft.to.as_str()),
            ("From", draft.from.as_str()),
            ("Url", draft.url),
            ("Timeout", &draft.timeout.to_string()),
            ("TimeLimit", &draft.time_limit.to_string()),
        ];
        let made: Made = self.post(Endpoint::CreateCall, &path, &form).await?;
        Ok(made.sid)
    }

    /// Ends a call, whether it rings or somebody talks. Returns whether there was something to end.
    ///
    /// # Errors
    /// Twilio refused for another reason, or no answer came.
    pub async fn hang_up(&self, account: &AccountSid, call: &CallSid) -> Result<bool, RestError> {
        let path = format!("/2010-04-01/Accounts/{account}/Calls/{call}.json");
        let request = self.request(Method::POST, Endpoint::UpdateCall, &path);
        let request = request.form(&[("Status", "completed")]);
        match self.send_only(Endpoint::UpdateCall, request).await {
            Ok(_) => Ok(true),
            // Not in progress, or gone.
            Err(RestError::Refused(refusal)) if matches!(refusal.status, 400 | 404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Who is, or was, rung for a caller.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn child_calls(
        &self,
        account: &AccountSid,
        caller: &CallSid,
    ) -> Result<Vec<ChildCall>, RestError> {
        let first = format!(
            "/2010-04-01/Accounts/{account}/Calls.json?ParentCallSid={caller}&PageSize=100"
        );
        self.list(Endpoint::ListCall, first, "calls").await
    }

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
