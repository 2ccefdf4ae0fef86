//! Task queues.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twilio::{TaskQueueSid, WorkspaceSid};

use crate::dates::Dates;
use crate::expression::matches;

/// A task queue. There are no simulated workers, so its target workers select nobody.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TaskQueue {
    pub(crate) sid: TaskQueueSid,
    pub(crate) workspace_sid: WorkspaceSid,
    pub(crate) friendly_name: String,
    pub(crate) target_workers: String,
    pub(crate) max_reserved_workers: u32,
    pub(crate) task_order: TaskOrder,
    #[serde(flatten)]
    pub(crate) dates: Dates,
}

/// `task_order`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum TaskOrder {
    #[default]
    Fifo,
    Lifo,
}

/// Whether Twilio understands an expression: one that it doesn't matches, and its opposite as well.
pub(crate) fn is_expression(text: &str) -> bool {
    let nobody = Value::Null;
    matches(text, &nobody) != matches(&format!("NOT ({text})"), &nobody)
}
