//! What Twilio says of what it has done.

use std::time::Duration;

use twilio::rest::CallStatus;
use twilio::{FormParams, SHORTEST_MESSAGE};

/// What became of a dialling, by the parameters of its `action`
/// (<https://www.twilio.com/docs/voice/twiml/dial#dialcallstatus-values>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialOutcome {
    /// Somebody had the caller for so long, the time in which they were asked included.
    Connected(Duration),
    /// Nobody had.
    Nobody,
}

impl DialOutcome {
    /// Reads the parameters. Only `DialBridged` tells that somebody had the caller: after a refusal
    /// the status may be `completed`, too.
    pub fn of(params: &FormParams) -> Self {
        match params.get("DialBridged") {
            Some("true") => Self::Connected(seconds_told(params, "DialCallDuration")),
            _ => Self::Nobody,
        }
    }
}

/// What came of a call to one of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegOutcome {
    /// Somebody had the caller.
    Answered,
    /// Somebody picked up, perhaps a machine, and did not take the caller.
    NotAccepted,
    /// The number was busy.
    Busy,
    /// Nobody picked up.
    NoAnswer,
    /// Twilio could not dial it.
    Failed,
    /// It stopped ringing before anybody picked up.
    Canceled,
}

impl LegOutcome {
    /// By the status of the call and how long somebody was on the line; `longest_asking` is how long
    /// they may have been asked whether they take the caller, if they were. `None` if it isn't over.
    pub fn of(
        status: CallStatus,
        lasted: Duration,
        longest_asking: Option<Duration>,
    ) -> Option<Self> {
        match status {
            CallStatus::Completed => Some(match longest_asking {
                Some(asking) if lasted <= asking => Self::NotAccepted,
                _ => Self::Answered,
            }),
            CallStatus::Busy => Some(Self::Busy),
            CallStatus::NoAnswer => Some(Self::NoAnswer),
            CallStatus::Failed => Some(Self::Failed),
            CallStatus::Canceled => Some(Self::Canceled),
            CallStatus::Queued
            | CallStatus::Ringing
            | CallStatus::InProgress
            | CallStatus::Unknown => None,
        }
    }
}

/// Whether the parameters of a `<Record>`'s `action` tell of a message
/// (<https://www.twilio.com/docs/voice/twiml/record#parameters-passed-to-the-action-url>).
pub fn is_message(params: &FormParams) -> bool {
    seconds_told(params, "RecordingDuration") >= SHORTEST_MESSAGE
}

/// A length of time that a parameter tells in seconds; zero where it isn't there.
pub fn seconds_told(params: &FormParams, name: &str) -> Duration {
    let seconds = params.get(name).and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default())
}
