//! What one caller heard, in order.

use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use twilio::{CallSid, E164, TaskSid};

use super::callee::CalleeLog;

/// What one caller heard, in order. As JSON it says how it ended, too.
#[derive(Debug, Clone)]
pub struct CallerLog {
    /// The call.
    pub call: CallSid,
    /// The task that stood for it first; none if it was never in a queue.
    pub task: Option<TaskSid>,
    /// What was heard, oldest first.
    pub entries: Vec<Entry>,
    /// Who was rung for them.
    pub callees: Vec<CalleeLog>,
}

/// One thing heard.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Since the simulator's start.
    #[serde(rename = "at_ms", with = "crate::millis")]
    pub at: Duration,
    /// What.
    #[serde(flatten)]
    pub heard: Heard,
}

/// Something that a caller hears, or that decides what they hear next.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "heard", rename_all = "snake_case")]
pub enum Heard {
    /// They were called by a request, and picked up.
    PickedUp,
    /// Hold music, in the workflow's voice queue.
    HoldMusic,
    /// An API request gave the call new instructions. What they make the caller hear follows.
    Redirected {
        /// Twilio's request ID, `RQ…`.
        request_id: String,
        /// Where the instructions came from.
        instructions: Instructions,
    },
    /// A conversation, with an outside number or an agent, ended because the call was redirected.
    ConversationCut {
        /// The ID of the request that cut it.
        request_id: String,
    },
    /// A spoken text.
    Said {
        /// The text.
        text: String,
    },
    /// A recording.
    Played {
        /// Where it is.
        url: String,
    },
    /// It rings somewhere. Nothing is said of it where somebody picks up at once.
    Ringing,
    /// Outside numbers were dialled.
    Dialled(DialRecord),
    /// They could leave a message.
    Recorded {
        /// How long it was; zero if they said nothing.
        #[serde(rename = "lasted_ms", with = "crate::millis")]
        lasted: Duration,
    },
    /// An agent took the call.
    AgentAnswered,
    /// Other software took the call off hold.
    TakenOffHold,
    /// "We are sorry, an application error has occurred. Goodbye."
    ApplicationError {
        /// What was wrong with the instructions.
        problem: String,
    },
    /// The call ended.
    HungUp {
        /// Who or what ended it.
        by: HangUp,
    },
}

/// Where a call's instructions came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Instructions {
    /// In the request.
    Twiml,
    /// From a URL, fetched.
    Url(String),
}

/// `<Dial>`, as executed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DialRecord {
    /// The numbers that rang, or would have rung in turn.
    #[serde(serialize_with = "numbers")]
    pub numbers: Vec<E164>,
    /// The number shown to them; `None` for the caller's own.
    #[serde(serialize_with = "number")]
    pub caller_id: Option<E164>,
    /// How long they ring, in seconds.
    pub timeout: Option<u32>,
    /// How long the conversation may last, in seconds.
    pub time_limit: Option<u32>,
    /// The `record` attribute.
    pub record: Option<String>,
    /// Whether they ring one after another.
    pub sequential: bool,
    /// What came of it.
    pub outcome: DialOutcome,
}

/// What came of a `<Dial>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DialOutcome {
    /// Somebody answered: the caller is in a conversation.
    Answered,
    /// The line was busy.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// No call could be made.
    Failed,
    /// Somebody picked up, and didn't get the caller.
    Refused,
    /// The caller was gone before anybody picked up.
    Canceled,
}

/// Who or what ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HangUp {
    /// The caller.
    Caller,
    /// An API request with `Status=completed`.
    Api,
    /// `<Hangup>`, or the end of the instructions.
    Twiml,
    /// An application error.
    ApplicationError,
    /// Nobody: they were called by a request, and didn't pick up.
    NotReached,
    /// The call had lasted as long as it might.
    TimeLimit,
}

impl CallerLog {
    /// How many times the call was redirected.
    pub fn redirects(&self) -> usize {
        self.count(|heard| matches!(heard, Heard::Redirected { .. }))
    }

    /// The numbers that were dialled, in order.
    pub fn dialled(&self) -> impl Iterator<Item = &E164> {
        self.entries
            .iter()
            .filter_map(|entry| match &entry.heard {
                Heard::Dialled(dial) => Some(&dial.numbers),
                _ => None,
            })
            .flatten()
    }

    /// How many conversations were cut by a redirect.
    pub fn conversations_cut(&self) -> usize {
        self.count(|heard| matches!(heard, Heard::ConversationCut { .. }))
    }

    /// How many application errors the caller heard.
    pub fn application_errors(&self) -> usize {
        self.count(|heard| matches!(heard, Heard::ApplicationError { .. }))
    }

    /// Whether the caller heard one redirect, one dialled conversation, and nothing broken.
    pub fn was_redirected_once(&self) -> bool {
        self.redirects() == 1
            && self.count(|heard| matches!(heard, Heard::Dialled(_))) == 1
            && self.conversations_cut() == 0
            && self.application_errors() == 0
    }

    fn count(&self, wanted: impl Fn(&Heard) -> bool) -> usize {
        self.entries
            .iter()
            .filter(|entry| wanted(&entry.heard))
            .count()
    }
}

impl Serialize for CallerLog {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut log = to.serialize_struct("CallerLog", 5)?;
        log.serialize_field("call", &self.call)?;
        log.serialize_field("task", &self.task)?;
        log.serialize_field("fate", &self.fate())?;
        log.serialize_field("entries", &self.entries)?;
        log.serialize_field("callees", &self.callees)?;
        log.end()
    }
}

fn number<S: Serializer>(number: &Option<E164>, serializer: S) -> Result<S::Ok, S::Error> {
    number.as_ref().map(E164::as_str).serialize(serializer)
}

fn numbers<S: Serializer>(numbers: &[E164], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(numbers.iter().map(E164::as_str))
}
