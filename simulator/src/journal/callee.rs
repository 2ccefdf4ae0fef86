//! What those heard who were rung for a caller.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use twilio::{CallSid, E164};

/// What one of those heard who were rung for a caller.
#[derive(Debug, Clone, Serialize)]
pub struct CalleeLog {
    /// The call to them.
    pub call: CallSid,
    /// Their number.
    #[serde(serialize_with = "number")]
    pub number: E164,
    /// The which `<Dial>` of the caller's call it was, from 0.
    pub dial: usize,
    /// Whether a whisper stood between them and the caller.
    pub asked: bool,
    /// Whether it is a mailbox.
    pub mailbox: bool,
    /// What happened, oldest first.
    pub moments: Vec<CalleeMoment>,
}

/// One thing that happened to somebody who was rung.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CalleeMoment {
    /// Since the simulator's start.
    #[serde(rename = "at_ms", with = "crate::millis")]
    pub at: Duration,
    /// What.
    pub what: Callee,
}

/// What happens to somebody who is rung.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Callee {
    /// Their phone rings.
    Rung,
    /// They pick up.
    PickedUp,
    /// They hear this, a text or a recording's URL, before they have the caller.
    Heard(String),
    /// They press a key.
    Pressed(char),
    /// They have the caller.
    Connected,
    /// It is over.
    Ended(CalleeEnd),
}

/// How a call to somebody who was rung ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalleeEnd {
    /// The line was busy.
    Busy,
    /// Nobody picked up in time.
    NoAnswer,
    /// It couldn't be made.
    Failed,
    /// Somebody else picked up, or the caller was gone, before they had the caller.
    Canceled,
    /// They were hung up on by what was to connect them.
    Refused,
    /// They hung up.
    HungUp,
    /// The conversation had lasted as long as it might.
    TimeLimit,
    /// The caller hung up, or was taken away.
    CallerGone,
}

impl CalleeLog {
    /// When that happened first.
    pub fn when(&self, what: impl Fn(&Callee) -> bool) -> Option<Duration> {
        let moment = self.moments.iter().find(|moment| what(&moment.what))?;
        Some(moment.at)
    }

    /// `status` of the call to them.
    pub(crate) fn status(&self) -> &'static str {
        match self.ended() {
            Some((CalleeEnd::Busy, _)) => "busy",
            Some((CalleeEnd::NoAnswer, _)) => "no-answer",
            Some((CalleeEnd::Failed, _)) => "failed",
            Some((CalleeEnd::Canceled, _)) if self.picked_up().is_none() => "canceled",
            Some(_) => "completed",
            None if self.picked_up().is_some() => "in-progress",
            None => "ringing",
        }
    }

    /// When they picked up.
    pub fn picked_up(&self) -> Option<Duration> {
        self.when(|what| *what == Callee::PickedUp)
    }

    /// Whether they have or had the caller.
    pub fn had_the_caller(&self) -> bool {
        self.when(|what| *what == Callee::Connected).is_some()
    }

    /// The keys that they pressed.
    pub fn pressed(&self) -> impl Iterator<Item = char> {
        self.moments.iter().filter_map(|moment| match moment.what {
            Callee::Pressed(key) => Some(key),
            _ => None,
        })
    }

    /// How and when it ended.
    pub fn ended(&self) -> Option<(CalleeEnd, Duration)> {
        let last = self.moments.last()?;
        match last.what {
            Callee::Ended(end) => Some((end, last.at)),
            _ => None,
        }
    }
}

fn number<S: Serializer>(number: &E164, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(number.as_str())
}
