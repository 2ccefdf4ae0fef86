//! TaskRouter's tasks (<https://www.twilio.com/docs/taskrouter/api/task>).

use std::str::FromStr;

use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Deserializer};

use super::{Client, Endpoint, Product, RestError, found};
use crate::{AccountSid, TaskAttributes, TaskQueueSid, TaskSid, WorkflowSid, WorkspaceSid};

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

/// A task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The task.
    pub sid: TaskSid,
    /// Its account.
    pub account_sid: AccountSid,
    /// How far it is.
    pub assignment_status: AssignmentStatus,
    /// The workflow that routed it.
    pub workflow_sid: Option<WorkflowSid>,
    /// The task queue that it is in.
    pub task_queue_sid: Option<TaskQueueSid>,
    /// When it entered the task queue, or was created where Twilio doesn't say.
    pub entered_at: Option<Timestamp>,
    /// What its attributes say; `None` where they were not told, as in some lists.
    pub attributes: Option<TaskAttributes>,
}

#[derive(Deserialize)]
struct Shown {
    sid: TaskSid,
    account_sid: AccountSid,
    assignment_status: AssignmentStatus,
    #[serde(default, deserialize_with = "lenient")]
    workflow_sid: Option<WorkflowSid>,
    #[serde(default, deserialize_with = "lenient")]
    task_queue_sid: Option<TaskQueueSid>,
    #[serde(default, deserialize_with = "lenient")]
    task_queue_entered_date: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    date_created: Option<Timestamp>,
    #[serde(default)]
    attributes: Option<String>,
}

impl From<Shown> for Task {
    fn from(shown: Shown) -> Self {
        Self {
            sid: shown.sid,
            account_sid: shown.account_sid,
            assignment_status: shown.assignment_status,
            workflow_sid: shown.workflow_sid,
            task_queue_sid: shown.task_queue_sid,
            entered_at: shown.task_queue_entered_date.or(shown.date_created),
            attributes: shown
                .attributes
                .map(|attributes| TaskAttributes::read(&attributes).unwrap_or_default()),
        }
    }
}

/// What can't be read, an empty string for one, is not there.
fn lenient<'de, T: FromStr, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.and_then(|text| text.parse().ok()))
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
        let task = found(self.send_for::<Shown>(Endpoint::FetchTask, request).await)?;
        Ok(task.map(Task::from))
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
    ) -> Result<Vec<Task>, RestError> {
        let which = format!("TaskQueueSid={task_queue}&AssignmentStatus=pending");
        self.tasks(workspace, &which).await
    }

    /// The tasks, of one workflow or of all, that have not ended.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn open_tasks(
        &self,
        workspace: &WorkspaceSid,
        workflow: Option<&WorkflowSid>,
    ) -> Result<Vec<Task>, RestError> {
        let workflow = workflow.map_or_else(String::new, |sid| format!("WorkflowSid={sid}&"));
        let open = "AssignmentStatus=pending&AssignmentStatus=reserved\
                    &AssignmentStatus=assigned&AssignmentStatus=wrapping";
        self.tasks(workspace, &format!("{workflow}{open}")).await
    }

    async fn tasks(&self, workspace: &WorkspaceSid, which: &str) -> Result<Vec<Task>, RestError> {
        let first = format!(
            "/v1/Workspaces/{workspace}/Tasks?{which}&Ordering=DateCreated%3Aasc&PageSize=1000"
        );
        let tasks: Vec<Shown> = self
            .list(Endpoint::ListTasks, Product::Taskrouter, first, "tasks")
            .await?;
        Ok(tasks.into_iter().map(Task::from).collect())
    }
}
