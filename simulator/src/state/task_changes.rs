//! Changes of tasks by requests.

use twilio::TaskSid;

use super::State;
use crate::events::EventKind;
use crate::resources::TaskStatus;

/// A change that a request asks for.
#[derive(Debug, Default)]
pub(crate) struct TaskChange {
    pub(crate) attributes: Option<String>,
    pub(crate) status: Option<TaskStatus>,
    pub(crate) reason: Option<String>,
    pub(crate) priority: Option<i64>,
}

impl State {
    /// Changes a task as a request asks.
    ///
    /// # Errors
    /// Its status doesn't allow the change; Twilio's words for it.
    pub(crate) fn change_task(&mut self, sid: TaskSid, change: TaskChange) -> Result<(), String> {
        let now = self.now();
        let Some(task) = self.tasks.get_mut(&sid) else {
            return Ok(());
        };
        let status = change.status;
        if let Some(refusal) = status.and_then(|status| refusal(sid, task.status, status)) {
            return Err(refusal);
        }
        let updated = change.attributes.is_some() || change.priority.is_some();
        if let Some(attributes) = change.attributes {
            task.attributes = attributes;
        }
        if let Some(priority) = change.priority {
            task.priority = priority;
        }
        task.version += 1;
        task.dates.updated = now;
        if updated {
            self.emit(EventKind::TaskUpdated, sid);
        }
        match change.status {
            Some(status) if status.is_terminal() => {
                self.end_task(sid, status, change.reason.as_deref());
            }
            Some(TaskStatus::Wrapping) => {
                self.set_status(sid, TaskStatus::Wrapping);
                self.emit(EventKind::TaskWrapup, sid);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Why a task can't go from one status to another, in Twilio's words.
fn refusal(task: TaskSid, from: TaskStatus, to: TaskStatus) -> Option<String> {
    let working = matches!(from, TaskStatus::Assigned | TaskStatus::Wrapping);
    let (what, because) = match to {
        TaskStatus::Canceled if !from.is_unassigned() => ("cancel", "not pending or reserved"),
        TaskStatus::Completed if !working => ("complete", "not currently assigned"),
        TaskStatus::Wrapping if from != TaskStatus::Assigned => {
            ("wrap up", "not currently assigned")
        }
        TaskStatus::Pending | TaskStatus::Reserved | TaskStatus::Assigned if to != from => {
            return Some(format!("Cannot set task {task} to {}.", to.as_str()));
        }
        _ => return None,
    };
    Some(format!(
        "Cannot {what} task {task} because it is {because}."
    ))
}
