//! Recordings (<https://www.twilio.com/docs/voice/api/recording>).

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Client, Endpoint, RestError, rfc2822, seconds};
use crate::json::lenient;
use crate::{AccountSid, CallSid, RecordingSid, SHORTEST_MESSAGE};

/// Something of a call that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Recording {
    /// The recording.
    pub sid: RecordingSid,
    /// How long it is.
    #[serde(default, deserialize_with = "seconds")]
    pub duration: Duration,
    /// When it was begun, to the second.
    #[serde(rename = "date_created", default, deserialize_with = "rfc2822")]
    pub created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    source: Option<String>,
}

impl Recording {
    /// Whether it is a message that the caller left, not their conversation with somebody.
    pub fn is_message(&self) -> bool {
        self.source.as_deref() == Some("RecordVerb") && self.duration >= SHORTEST_MESSAGE
    }
}

impl Client {
    /// What of a call was recorded.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn recordings(
        &self,
        account: &AccountSid,
        call: &CallSid,
    ) -> Result<Vec<Recording>, RestError> {
        let first =
            format!("/2010-04-01/Accounts/{account}/Calls/{call}/Recordings.json?PageSize=100");
        self.list(Endpoint::ListCallRecording, first, "recordings")
            .await
    }
}
