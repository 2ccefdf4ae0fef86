//! Tasks that stand for no waiting caller.

use serde_json::json;
use twilio::{CallSid, TaskSid};

use super::State;
use super::calls::attributes;
use super::tasks::Begin;
use crate::events::EventKind;
use crate::resources::{Call, TaskStatus};

/// A task that doesn't stand for a waiting caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherTask {
    /// A chat's, in the same workflow: it stands for no call.
    Chat,
    /// Of a caller in a conference of Flex.
    Conference(CallSid),
    /// Of a caller who is being transferred.
    Transfer(CallSid),
    /// Of an agent who consults a colleague. Its attributes don't say so, and it is taken at once.
    Consultation(CallSid),
}

impl State {
    /// A task that doesn't stand for a waiting caller enters the placeholder queue.
    pub(crate) fn place_other_task(&mut self, other: OtherTask) -> Option<TaskSid> {
        let (call, mark) = match other {
            OtherTask::Chat => (None, Some(("channelType", json!("web")))),
            OtherTask::Conference(call) => {
                let sid = format!("CF{}", &call.as_str()[2..]);
                (Some(call), Some(("conference", json!({ "sid": sid }))))
            }
            OtherTask::Transfer(call) => {
                let mark = json!({ "transferStatus": "transferring", "mode": "COLD" });
                (Some(call), Some(("transferMeta", mark)))
            }
            OtherTask::Consultation(call) => (Some(call), None),
        };
        let mut attributes = match call {
            Some(call) => {
                let Call { from, to, .. } = self.calls.get(&call)?;
                attributes(call, from, to)
            }
            None => json!({}),
        };
        if let Some((name, value)) = mark {
            attributes[name] = value;
        }
        let mut task = self.new_task(self.demo.workflow, &attributes, Begin::LastStep)?;
        let sid = task.sid;
        let taken = matches!(other, OtherTask::Consultation(_));
        if taken {
            task.status = TaskStatus::Reserved;
        }
        self.route_task(task);
        if taken {
            self.emit(EventKind::ReservationCreated, sid);
            self.assign_task(sid);
        }
        Some(sid)
    }
}
