//! What ingest asks of the redirector, and its form on the queue.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio::{AccountSid, CallSid, EventSid, TaskQueueSid, TaskSid, WorkflowSid, WorkspaceSid};

/// "Nobody took this call: redirect it." Carries SIDs only, never a caller's number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedirectRequest {
    /// The TaskRouter event behind the request: the key by which duplicates are known.
    pub event_sid: EventSid,
    /// The account that owns the call; a subaccount has its own.
    pub account_sid: AccountSid,
    /// The workspace of the task.
    pub workspace_sid: WorkspaceSid,
    /// The task that stands for the waiting caller.
    pub task_sid: TaskSid,
    /// The waiting caller's call.
    pub call_sid: CallSid,
    /// The placeholder task queue that the task entered: it chooses the redirect plan.
    pub task_queue_sid: TaskQueueSid,
    /// The workflow that routed the task; its SID is the friendly name of the voice queue in which
    /// the caller waits. Not every event names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_sid: Option<WorkflowSid>,
    /// When the task entered the placeholder queue, by Twilio's clock.
    pub entered_at: Timestamp,
    /// How we learnt of it.
    pub source: Source,
    /// When an operator moved the request back from the dead letters, if one did: the deadline
    /// counts from then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_at: Option<Timestamp>,
}

/// How a request came about. All but a live callback may be late or stale, so the redirector asks
/// Twilio whether the caller still waits before it acts on one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// TaskRouter's event callback, live.
    Callback,
    /// Event Streams, which delivers late and more than once.
    EventStream,
    /// The sweep over tasks left pending in a placeholder queue.
    Sweep,
    /// An event that says the task is gone while its call still waits.
    Rescue,
}

impl RedirectRequest {
    /// The moment from which the redirector's deadline counts.
    pub fn deadline_starts(&self) -> Timestamp {
        self.replayed_at
            .map_or(self.entered_at, |replayed| replayed.max(self.entered_at))
    }

    /// Whether the request is a live callback's own, as opposed to one that comes late by nature.
    pub fn is_live(&self) -> bool {
        self.source == Source::Callback && self.replayed_at.is_none()
    }
}
