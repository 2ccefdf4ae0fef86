//! Tasks: the work items that stand for waiting callers.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio::{CallSid, TaskSid, WorkflowSid, WorkspaceSid};

use super::Target;
use crate::dates::Dates;
use crate::events::Event;

/// A task on its way through a workflow.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) sid: TaskSid,
    pub(crate) workspace: WorkspaceSid,
    pub(crate) workflow: WorkflowSid,
    pub(crate) call: Option<CallSid>,
    pub(crate) attributes: String,
    pub(crate) status: TaskStatus,
    pub(crate) reason: Option<String>,
    pub(crate) priority: i64,
    pub(crate) dates: Dates,
    pub(crate) ttl: Duration,
    /// The ETag.
    pub(crate) version: u64,
    /// The targets that it passes through; `step` is where it is now.
    pub(crate) route: Arc<[Target]>,
    pub(crate) step: usize,
    /// How many times it was offered to a worker.
    pub(crate) offers: u32,
    /// Whether its time in this step ended while it was offered to a worker.
    pub(crate) overdue: bool,
    pub(crate) entered: Timestamp,
    /// The same, since the simulator's start.
    pub(crate) entered_at: Duration,
    /// The event of that entry.
    pub(crate) entered_event: Option<Arc<Event>>,
    pub(crate) withhold_events: bool,
}

/// `assignment_status` of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    /// In a task queue, offered to nobody.
    Pending,
    /// Offered to a worker.
    Reserved,
    /// With a worker.
    Assigned,
    /// With a worker who is finishing up.
    Wrapping,
    /// Ended without a worker.
    Canceled,
    /// Ended by a worker.
    Completed,
}

impl TaskStatus {
    /// Twilio's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Reserved => "reserved",
            Self::Assigned => "assigned",
            Self::Wrapping => "wrapping",
            Self::Canceled => "canceled",
            Self::Completed => "completed",
        }
    }

    /// Whether a task with this status has ended.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Canceled | Self::Completed)
    }

    pub(crate) fn is_unassigned(self) -> bool {
        matches!(self, Self::Pending | Self::Reserved)
    }
}

impl Task {
    pub(crate) fn target(&self) -> &Target {
        &self.route[self.step]
    }

    pub(crate) fn age(&self, now: Timestamp) -> i64 {
        now.as_second() - self.dates.created.as_second()
    }
}
