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
    /// The task that stands for it, or did last; none before it is put into a queue.
    pub(crate) task: Option<TaskSid>,
    /// Whether a request made it. Else somebody called.
    pub(crate) outbound: bool,
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
    /// `status` once it is over.
    pub(crate) end: &'static str,
    /// How long it waited in voice queues, in seconds.
    pub(crate) queue_time: i64,
}

impl Call {
    /// Whether its caller hears hold music.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.activity, Activity::Waiting { .. })
    }

    /// `status`. Who calls is connected at once.
    pub(crate) fn status(&self) -> &'static str {
        match self.activity {
            Activity::Ringing => "ringing",
            Activity::Over => self.end,
            _ => "in-progress",
        }
    }

    pub(crate) fn direction(&self) -> &'static str {
        match self.outbound {
            true => "outbound-api",
            false => "inbound",
        }
    }
}

/// What a call does, and its caller hears, at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It rings, and nobody has picked up yet.
    Ringing,
    /// Hold music in a voice queue.
    Waiting { queue: QueueSid, since: Timestamp },
    /// What its instructions say, or they are on their way.
    Instructed,
    /// A conversation with an outside number or an agent.
    Talking,
    /// Nothing: the call is over.
    Over,
}
