//! Task queues.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio::{TaskQueueSid, WorkspaceSid};

/// A task queue. There are no simulated workers, so its target workers select nobody.
#[derive(Debug, Clone)]
pub(crate) struct TaskQueue {
    pub(crate) sid: TaskQueueSid,
    pub(crate) workspace: WorkspaceSid,
    pub(crate) friendly_name: String,
    pub(crate) target_workers: String,
    pub(crate) max_reserved_workers: u32,
    pub(crate) task_order: TaskOrder,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

/// `task_order`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum TaskOrder {
    #[default]
    Fifo,
    Lifo,
}

impl TaskOrder {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "FIFO" => Some(Self::Fifo),
            "LIFO" => Some(Self::Lifo),
            _ => None,
        }
    }
}
