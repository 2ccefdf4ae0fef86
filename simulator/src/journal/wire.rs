//! API requests and callbacks as they went over the wire.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use twilio::{CallSid, EventSid, TaskSid};

use super::caller::millis;
use crate::events::EventKind;
use crate::faults::Fault;
use crate::http::Endpoint;

/// One API request, complete enough to be checked against Twilio's specification.
///
/// `Debug` shows no values of its parameters: they hold numbers.
#[derive(Clone, Serialize)]
pub struct RequestRecord {
    /// Twilio's name of the request, `RQ…`.
    pub id: String,
    /// When it arrived, since the simulator's start.
    #[serde(rename = "at_ms", serialize_with = "millis")]
    pub at: Duration,
    /// Which operation; `None` if there is no such resource.
    pub endpoint: Option<Endpoint>,
    /// The HTTP method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The path's template in the specification.
    pub template: Option<&'static str>,
    /// The parameters in the query string.
    pub query: Vec<(String, String)>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `If-Match`.
    pub if_match: Option<String>,
    /// The parameters in the body.
    pub form: Vec<(String, String)>,
    /// The fault that was injected.
    pub fault: Option<Fault>,
    /// What became of it.
    pub outcome: RequestOutcome,
}

/// What became of an API request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestOutcome {
    /// It is being worked on.
    UnderWay,
    /// It was answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// From its arrival.
        #[serde(rename = "elapsed_ms", serialize_with = "millis")]
        elapsed: Duration,
    },
    /// It was worked on, and the answer was lost on purpose.
    AnswerLost {
        /// The HTTP status that the client never saw.
        status: u16,
    },
    /// The connection was reset on purpose, before anything was changed.
    Reset,
    /// The client left before there was an answer.
    ClientLeft,
}

impl RequestRecord {
    /// The status that the client was answered with.
    pub fn status(&self) -> Option<u16> {
        match self.outcome {
            RequestOutcome::Answered { status, .. } => Some(status),
            _ => None,
        }
    }

    /// The first value of a parameter in the body.
    pub fn form_value(&self, name: &str) -> Option<&str> {
        self.form
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for RequestRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.form.iter().map(|(name, _)| name).collect();
        write!(
            f,
            "{:?} {} {} {} {names:?} {:?} {:?}",
            self.at, self.id, self.method, self.path, self.fault, self.outcome
        )
    }
}

/// How an event is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// The workspace's event callback: a form.
    EventCallback,
    /// An Event Streams webhook sink: a JSON array of one CloudEvent.
    EventStream,
}

/// One attempt to deliver a callback.
#[derive(Debug, Clone, Serialize)]
pub struct CallbackRecord {
    /// The event.
    pub event: EventSid,
    /// Its type.
    pub kind: EventKind,
    /// Its call, if it has one.
    pub call: Option<CallSid>,
    /// Its task, if it has one.
    pub task: Option<TaskSid>,
    /// How it was delivered.
    pub transport: Transport,
    /// When the attempt began, since the simulator's start.
    #[serde(rename = "at_ms", serialize_with = "millis")]
    pub at: Duration,
    /// 1 for the first.
    pub attempt: u32,
    /// What came of it.
    pub outcome: CallbackOutcome,
    /// From sending to the outcome.
    #[serde(rename = "latency_ms", serialize_with = "millis")]
    pub latency: Duration,
}

/// What came of an attempt to deliver a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackOutcome {
    /// It was answered with this HTTP status.
    Answered(u16),
    /// No connection could be made.
    NotConnected,
    /// No answer came in time.
    TimedOut,
    /// The connection broke before the answer was complete.
    Broken,
    /// It was never sent, on purpose.
    Dropped,
}

impl CallbackOutcome {
    /// The HTTP status, if it was answered.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Answered(status) => Some(status),
            _ => None,
        }
    }

    /// Whether it was answered with a 2xx.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Answered(200..=299))
    }

    /// What was wrong, if no answer came.
    pub fn problem(self) -> Option<&'static str> {
        match self {
            Self::Answered(_) => None,
            Self::NotConnected => Some("no connection"),
            Self::TimedOut => Some("no answer in time"),
            Self::Broken => Some("connection broken"),
            Self::Dropped => Some("dropped on purpose"),
        }
    }
}

impl Serialize for CallbackOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.problem() {
            None => self.status().serialize(serializer),
            Some(problem) => problem.serialize(serializer),
        }
    }
}
