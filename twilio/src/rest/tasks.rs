//! TaskRouter's tasks (<https://www.twilio.com/docs/taskrouter/api/task>).

use jiff::Timestamp;
use reqwest::Method;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Deserializer};

use super::{Client, Endpoint, Listed, RestError};
use crate::json::lenient;
use crate::{AccountSid, TaskAttributes, TaskQueueSid, TaskSid, WorkflowSid, WorkspaceSid};

/// `assignment_status` of a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
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
    /// None, or a status that Twilio added later.
    #[default]
    #[serde(other)]
    Unknown,
}

impl AssignmentStatus {
    /// The status of that name.
    pub fn from_name(name: &str) -> Self {
        let name: StrDeserializer<'_, Error> = name.into_deserializer();
        Self::deserialize(name).unwrap_or_default()
    }
}

/// A task. A field that Twilio leaves out, or that can't be read, is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The task.
    pub sid: TaskSid,
    /// Its account.
    pub account_sid: Option<AccountSid>,
    /// Its status.
    pub assignment_status: AssignmentStatus,
    /// Why it ended, in the words of whoever ended it.
    pub reason: Option<String>,
    /// The task queue that it is in.
    pub task_queue_sid: Option<TaskQueueSid>,
    /// The workflow that routes it.
    pub workflow_sid: Option<WorkflowSid>,
    /// When it entered the task queue, or else when it was created.
    pub entered_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// Its call and conversation. Twilio documents lists as leaving attributes out: then the single
    /// task has them.
    pub attributes: Option<TaskAttributes>,
}

impl<'de> Deserialize<'de> for Task {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Shown {
            sid: TaskSid,
            #[serde(default, deserialize_with = "lenient")]
            account_sid: Option<AccountSid>,
            #[serde(default, deserialize_with = "lenient")]
            assignment_status: Option<String>,
            #[serde(default, deserialize_with = "lenient")]
            reason: Option<String>,
            #[serde(default, deserialize_with = "lenient")]
            task_queue_sid: Option<TaskQueueSid>,
            #[serde(default, deserialize_with = "lenient")]
            workflow_sid: Option<WorkflowSid>,
            #[serde(default, deserialize_with = "lenient")]
            task_queue_entered_date: Option<Timestamp>,
            #[serde(default, deserialize_with = "lenient")]
            date_created: Option<Timestamp>,
            #[serde(default, deserialize_with = "lenient")]
            attributes: Option<String>,
        }
        let shown = Shown::deserialize(from)?;
        let status = shown.assignment_status.unwrap_or_default();
        Ok(Self {
            sid: shown.sid,
            account_sid: shown.account_sid,
            assignment_status: AssignmentStatus::from_name(&status),
            reason: shown.reason,
            task_queue_sid: shown.task_queue_sid,
            workflow_sid: shown.workflow_sid,
            entered_at: shown.task_queue_entered_date.or(shown.date_created),
            created_at: shown.date_created,
            attributes: shown
                .attributes
                .and_then(|attributes| TaskAttributes::parse(&attributes).ok()),
        })
    }
}

impl Client {
    /// Reads a task; `None` if Twilio no longer knows it, as some minutes after its end.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn task(
        &self,
        workspace: &WorkspaceSid,
        task: &TaskSid,
    ) -> Result<Option<Task>, RestError> {
        let path = format!("/v1/Workspaces/{workspace}/Tasks/{task}");
        self.find(Endpoint::FetchTask, &path).await
    }

    /// Cancels a task whose caller is taken care of. Returns whether it could still be cancelled:
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
        let path = format!("/v1/Workspaces/{workspace}/Tasks/{task}");
        let request = self
            .request(Method::POST, Endpoint::UpdateTask, &path)
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
    ) -> Result<Listed<Task>, RestError> {
        let wanted = format!("TaskQueueSid={task_queue}&AssignmentStatus=pending");
        self.tasks(workspace, &wanted).await
    }

    /// The tasks of a workflow that wait to be accepted, in whichever task queue, oldest first.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn waiting_tasks(
        &self,
        workspace: &WorkspaceSid,
        workflow: &WorkflowSid,
    ) -> Result<Listed<Task>, RestError> {
        let wanted = format!("WorkflowSid={workflow}&AssignmentStatus=pending");
        self.tasks(workspace, &wanted).await
    }

    /// The tasks of a workspace that have not ended, oldest first.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn open_tasks(&self, workspace: &WorkspaceSid) -> Result<Listed<Task>, RestError> {
        self.tasks(workspace, "AssignmentStatus=pending,reserved,assigned")
            .await
    }

    /// The tasks of a workspace that the query wants, oldest first.
    async fn tasks(
        &self,
        workspace: &WorkspaceSid,
        wanted: &str,
    ) -> Result<Listed<Task>, RestError> {
        let first = format!(
            "/v1/Workspaces/{workspace}/Tasks?{wanted}&Ordering=DateCreated%3Aasc&PageSize=1000"
        );
        self.list_readable(Endpoint::ListTask, first, "tasks", |_| {})
            .await
    }
}
