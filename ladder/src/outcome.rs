//! What Twilio says of what it has done.

use std::time::Duration;

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
            Some("true") => Self::Connected(seconds(params, "DialCallDuration")),
            _ => Self::Nobody,
        }
    }
}

/// Whether the parameters of a `<Record>`'s `action` tell of a message
/// (<https://www.twilio.com/docs/voice/twiml/record#parameters-passed-to-the-action-url>).
pub fn is_message(params: &FormParams) -> bool {
    seconds(params, "RecordingDuration") >= SHORTEST_MESSAGE
}

fn seconds(params: &FormParams, name: &str) -> Duration {
    let seconds = params.get(name).and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default())
}
