//! API requests and callbacks as they went over the wire.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use twilio::rest::Endpoint;
use twilio::{CallSid, EventSid, TaskSid};

use crate::events::{EventKind, Transport};
use crate::faults::Fault;

/// One API request, complete enough to be checked against Twilio's specification.
///
/// `Debug` shows no values of its parameters: they hold numbers.
#[derive(Clone, Serialize)]
pub struct RequestRecord {
    /// Twilio's request ID, `RQ…`.
    pub id: String,
    /// When it arrived, since the simulator's start.
    #[serde(rename = "at_ms", with = "crate::millis")]
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
    /// It is being handled.
    UnderWay,
    /// It was answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// From its arrival.
        #[serde(rename = "elapsed_ms", with = "crate::millis")]
        elapsed: Duration,
    },
    /// It was handled, and the answer was lost on purpose.
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
        value(&self.form, name)
    }
}

/// The first value of a parameter.
pub(crate) fn value<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut parameters = parameters.iter();
    let (_, value) = parameters.find(|(known, _)| known == name)?;
    Some(value)
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

/// One attempt to deliver a callback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallbackRecord {
    /// The event.
    pub event: EventSid,
    /// Its type.
    pub kind: EventKind,
    /// Its call, if it has one: the one that is over, of [`EventKind::CallCompleted`].
    pub call: Option<CallSid>,
    /// Its task, if it has one.
    pub task: Option<TaskSid>,
    /// How it was delivered.
    pub transport: Transport,
    /// When the attempt began, since the simulator's start.
    #[serde(rename = "at_ms", with = "crate::millis")]
    pub at: Duration,
    /// 1 for the first.
    pub attempt: u32,
    /// What came of it.
    pub outcome: CallbackOutcome,
    /// From sending to the outcome.
    #[serde(rename = "latency_ms", with = "crate::millis")]
    pub latency: Duration,
}

/// What came of an attempt to deliver a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallbackOutcome {
    /// It was answered with this HTTP status.
    #[error("status {0}")]
    Answered(u16),
    /// No connection could be made.
    #[error("no connection")]
    NotConnected,
    /// No answer came in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke before the answer was complete.
    #[error("connection broken")]
    Broken,
    /// It was never sent, on purpose.
    #[error("dropped on purpose")]
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
}

impl Serialize for CallbackOutcome {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.status() {
            Some(status) => to.serialize_u16(status),
            None => to.collect_str(self),
        }
    }
}
