//! TaskRouter's tasks (<https://www.twilio.com/docs/taskrouter/api/task>).

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;

use super::{Client, Endpoint, Product, RestError, found};
use crate::event::call_sid;
use crate::{AccountSid, CallSid, TaskQueueSid, TaskSid, WorkflowSid, WorkspaceSid};

/// `assignment_status` of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AssignmentStatus {
    /// In a queue, offered to nobody.
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
    /// A status of later days.
    #[serde(other)]
    Unknown,
}

/// A task, as far as it tells whether its caller still waits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Task {
    /// How far it is.
    pub assignment_status: AssignmentStatus,
    /// The task queue that it is in.
    #[serde(default)]
    pub task_queue_sid: Option<TaskQueueSid>,
}

/// A task that is pending in a task queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingTask {
    /// The task.
    pub sid: TaskSid,
    /// Its account.
    pub account_sid: AccountSid,
    /// Its call, if it stands for one.
    pub call_sid: Option<CallSid>,
    /// The workflow that routed it.
    pub workflow_sid: Option<WorkflowSid>,
    /// When it entered the task queue.
    pub entered_at: Timestamp,
}

impl Client {
    /// Reads a task; `None` where Twilio knows it no more, as some minutes after its end.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn task(
        &self,
        workspace: &WorkspaceSid,
        task: &TaskSid,
    ) -> Result<Option<Task>, RestError> {
        let request = self.request(
            Method::GET,
            Product::Taskrouter,
            format_args!("/v1/Workspaces/{workspace}/Tasks/{task}"),
        );
        found(self.send_for(Endpoint::FetchTask, request).await)
    }

    /// Cancels a task whose caller is taken care of. Whether it was still there to be cancelled:
    /// Twilio may have ended it by itself.
    ///
    /// # Errors
    /// Twilio refused for another reason, or no answer came.
    pub async fn cancel_task(
        &self,
        workspace: &WorkspaceSid,
        task: &TaskSid,
        reason: &str,
    ) -> Result<bool, RestError> {
        let request = self
            .request(
                Method::POST,
                Product::Taskrouter,
                format_args!("/v1/Workspaces/{workspace}/Tasks/{task}"),
            )
            .form(&[("AssignmentStatus", "canceled"), ("Reason", reason)]);
        match self.send_only(Endpoint::UpdateTask, request).await {
            Ok(_) => Ok(true),
            // "Cannot cancel task … because it is not pending or reserved", or gone.
            Err(RestError::Refused(refusal)) if matches!(refusal.status, 400 | 404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The tasks pending in a task queue, oldest first.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn pending_tasks(
        &self,
        workspace: &WorkspaceSid,
        task_queue: &TaskQueueSid,
    ) -> Result<Vec<PendingTask>, RestError> {
        #[derive(Deserialize)]
        struct Listed {
            sid: TaskSid,
            account_sid: AccountSid,
            #[serde(default)]
            attributes: Option<String>,
            #[serde(default)]
            workflow_sid: Option<WorkflowSid>,
            #[serde(default)]
            task_queue_entered_date: Option<Timestamp>,
            date_created: Timestamp,
        }
        let first = format!(
            "/v1/Workspaces/{workspace}/Tasks?TaskQueueSid={task_queue}\
             &AssignmentStatus=pending&Ordering=DateCreated%3Aasc&PageSize=1000"
        );
        let tasks: Vec<Listed> = self
            .list(Endpoint::ListTasks, Product::Taskrouter, first, "tasks")
            .await?;
        Ok(tasks
            .into_iter()
            .map(|task| PendingTask {
                sid: task.sid,
                account_sid: task.account_sid,
                call_sid: task
                    .attributes
                    .and_then(|attributes| call_sid(&attributes).ok().flatten()),
                workflow_sid: task.workflow_sid,
                entered_at: task.task_queue_entered_date.unwrap_or(task.date_created),
            })
            .collect())
    }
}
