//! Calls and what their callers hear now.

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use twilio::{CallSid, E164, QueueSid, TaskSid};

use crate::dates::Dates;
use crate::phone::Conduct;

/// A phone call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) sid: CallSid,
    pub(crate) task: TaskSid,
    pub(crate) from: E164,
    pub(crate) to: E164,
    pub(crate) activity: Activity,
    pub(crate) conduct: Conduct,
    /// Counts what it does, so that instructions that come too late are recognised.
    pub(crate) run: u64,
    /// Cancelled when it does something else.
    pub(crate) stop: CancellationToken,
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
    /// What its instructions say, or they are on their way.
    Instructed,
    /// A conversation with an outside number or an agent.
    Talking,
    /// Nothing: the call is over.
    Over,
}
