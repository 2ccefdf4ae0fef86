//! Calls and what their callers hear now.

use jiff::Timestamp;
use twilio::{CallSid, E164, QueueSid, TaskSid};

use crate::dates::Dates;

/// A phone call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) sid: CallSid,
    pub(crate) task: TaskSid,
    pub(crate) from: E164,
    pub(crate) to: E164,
    pub(crate) activity: Activity,
    /// Counts instructions, so that a document that comes too late is recognised.
    pub(crate) run: u64,
    pub(crate) dates: Dates,
    pub(crate) ended: Option<Timestamp>,
    /// How long it waited in voice queues, in seconds.
    pub(crate) queue_time: i64,
}

impl Call {
    /// Whether its caller hears hold music.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.activity, Activity::Waiting { .. })
    }

    /// `status`. Callers wait in a queue from the start, so the states before that don't occur.
    pub(crate) fn status(&self) -> &'static str {
        match self.activity {
            Activity::Over => "completed",
            _ => "in-progress",
        }
    }
}

/// What a call does, and its caller hears, at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Hold music in a voice queue.
    Waiting { queue: QueueSid, since: Timestamp },
    /// Instructions are on their way.
    Fetching,
    /// A conversation with an outside number or an agent.
    Talking,
    /// Nothing: the call is over.
    Over,
}
