//! What became of callers after the redirect, and its form on the queue.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio::{AccountSid, CallSid, RecordingSid, TaskSid};

/// A caller was redirected: Twilio took our instructions. What became of them is another matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirected {
    /// The account that owns the call.
    pub account_sid: AccountSid,
    /// The caller's call.
    pub call_sid: CallSid,
    /// The task that stood for the caller.
    pub task_sid: TaskSid,
    /// The name of the plan.
    pub plan: String,
    /// When the task entered the placeholder queue, by Twilio's clock.
    pub entered_at: Timestamp,
    /// When Twilio took the redirect.
    pub redirected_at: Timestamp,
    /// Whether Twilio's answer was lost: the caller is gone from the queue, and perhaps not by us.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
    /// Whether the call was over when Twilio was asked. What is told of it may have been on its way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_over: bool,
}

impl Redirected {
    /// The caller's end, where nobody had them and they left no message.
    pub fn missed(&self, at: Timestamp, outcome: OutcomeKind) -> Outcome {
        Outcome {
            id: self.call_sid.to_string(),
            at,
            account_sid: self.account_sid,
            call_sid: self.call_sid,
            task_sid: Some(self.task_sid),
            plan: self.plan.clone(),
            step: None,
            outcome,
            caller: Some(CallerEnd::Missed),
            dialed_call_sid: None,
            recording_sid: None,
            seconds: None,
        }
    }
}

/// What became of one attempt to reach somebody, or of the caller. It never carries a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The same each time this is reported: the SID of the dialled call, of the recording, or of the
    /// caller's call where it is about nothing else; with the step, where Twilio refused to dial and made
    /// no call.
    pub id: String,
    /// When it was reported first.
    pub at: Timestamp,
    /// The account that owns the call.
    pub account_sid: AccountSid,
    /// The caller's call.
    pub call_sid: CallSid,
    /// The task that stood for the caller, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_sid: Option<TaskSid>,
    /// The name of the plan.
    pub plan: String,
    /// Where on the plan's ladder, as `2.1`: the first number of the second step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What it came to.
    pub outcome: OutcomeKind,
    /// What that means for the caller, if it is the end for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<CallerEnd>,
    /// The call of whoever was dialled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialed_call_sid: Option<CallSid>,
    /// The caller's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_sid: Option<RecordingSid>,
    /// How long the conversation or the message lasted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// What an attempt came to, or how the caller's call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
    /// Somebody had the caller.
    Answered,
    /// The number was busy.
    Busy,
    /// Nobody picked up.
    NoAnswer,
    /// Twilio could not dial it.
    Failed,
    /// It stopped ringing before anybody picked up.
    Canceled,
    /// Whoever picked up, perhaps a machine, did not take the caller.
    NotAccepted,
    /// The caller left a message.
    Voicemail,
    /// The caller hung up before anybody had them.
    HungUp,
    /// Nobody was left to ring: the caller heard the plan's last words.
    LastWords,
    /// They came outside the hours of all steps, and heard the plan's last words at once.
    Closed,
}

/// What became of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallerEnd {
    /// Somebody had them.
    Taken,
    /// They left a message.
    Recorded,
    /// Neither.
    Missed,
}

impl OutcomeKind {
    /// Each of them.
    pub const ALL: [Self; 10] = [
        Self::Answered,
        Self::Busy,
        Self::NoAnswer,
        Self::Failed,
        Self::Canceled,
        Self::NotAccepted,
        Self::Voicemail,
        Self::HungUp,
        Self::LastWords,
        Self::Closed,
    ];

    /// As messages, metrics and logs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::NotAccepted => "not-accepted",
            Self::Voicemail => "voicemail",
            Self::HungUp => "hung-up",
            Self::LastWords => "last-words",
            Self::Closed => "closed",
        }
    }
}

impl CallerEnd {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Taken, Self::Recorded, Self::Missed];

    /// As messages, metrics and settings write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Recorded => "recorded",
            Self::Missed => "missed",
        }
    }
}
