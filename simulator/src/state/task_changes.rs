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

/// A change that a task's status doesn't allow.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskRefusal {
    #[error("Cannot cancel task {0} because it is not pending or reserved.")]
    Cancel(TaskSid),
    #[error("Cannot complete task {0} because it is not currently assigned.")]
    Complete(TaskSid),
    #[error("Cannot wrap up task {0} because it is not currently assigned.")]
    WrapUp(TaskSid),
    #[error("Cannot set task {0} to {status}.", status = .1.as_str())]
    SetStatus(TaskSid, TaskStatus),
}

impl State {
    /// Changes a task as a request asks.
    pub(crate) fn change_task(
        &mut self,
        sid: TaskSid,
        change: TaskChange,
    ) -> Result<(), TaskRefusal> {
        let now = self.now();
        let Some(task) = self.tasks.get_mut(&sid) else {
            return Ok(());
        };
        if let Some(status) = change.status {
            transition(sid, task.status, status)?;
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

fn transition(task: TaskSid, from: TaskStatus, to: TaskStatus) -> Result<(), TaskRefusal> {
    let working = matches!(from, TaskStatus::Assigned | TaskStatus::Wrapping);
    match to {
        TaskStatus::Canceled if !from.is_unassigned() => Err(TaskRefusal::Cancel(task)),
        TaskStatus::Completed if !working => Err(TaskRefusal::Complete(task)),
        TaskStatus::Wrapping if from != TaskStatus::Assigned => Err(TaskRefusal::WrapUp(task)),
        TaskStatus::Pending | TaskStatus::Reserved | TaskStatus::Assigned if to != from => {
            Err(TaskRefusal::SetStatus(task, to))
        }
        _ => Ok(()),
    }
}
