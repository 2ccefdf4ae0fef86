//! Voice queues, where `<Enqueue>` holds calls.

use jiff::Timestamp;
use twilio::{CallSid, QueueSid, WorkflowSid};

use crate::dates::Dates;
use crate::ordered::Ordered;

/// A voice queue: one for each workflow, with the workflow's SID as its name.
#[derive(Debug, Clone)]
pub(crate) struct VoiceQueue {
    pub(crate) sid: QueueSid,
    pub(crate) workflow: WorkflowSid,
    /// The calls that wait, and since when.
    pub(crate) members: Ordered<CallSid, Timestamp>,
    pub(crate) dates: Dates,
}

/// The most that Twilio lets a voice queue hold; the simulator doesn't enforce it.
pub(crate) const LARGEST_QUEUE: u32 = 5000;
