//! Task queues (<https://www.twilio.com/docs/taskrouter/api/task-queue>).

use serde::{Deserialize, Serialize};

use super::{Client, Endpoint, RestError, null_is_empty};
use crate::{TaskQueueSid, WorkspaceSid};

/// A task queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TaskQueue {
    /// The queue.
    pub sid: TaskQueueSid,
    /// Its name.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub friendly_name: String,
    /// Which workers it offers its tasks to: an expression over their attributes. Nobody, if empty.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub target_workers: String,
}

/// What a task queue is to be.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskQueueDraft<'a> {
    /// Its name.
    pub friendly_name: &'a str,
    /// Which workers it offers its tasks to.
    pub target_workers: &'a str,
}

impl Client {
    /// All task queues of a workspace.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn task_queues(&self, workspace: &WorkspaceSid) -> Result<Vec<TaskQueue>, RestError> {
        let first = format!("/v1/Workspaces/{workspace}/TaskQueues?PageSize=100");
        self.list(Endpoint::ListTaskQueue, first, "task_queues")
            .await
    }

    /// Reads a task queue; `None` where there is no such task queue.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn task_queue(
        &self,
        workspace: &WorkspaceSid,
        queue: &TaskQueueSid,
    ) -> Result<Option<TaskQueue>, RestError> {
        let path = format!("/v1/Workspaces/{workspace}/TaskQueues/{queue}");
        self.find(Endpoint::FetchTaskQueue, &path).await
    }

    /// Creates a task queue.
    ///
    /// # Errors
    /// Twilio refused, or no answer came: then it may exist.
    pub async fn create_task_queue(
        &self,
        workspace: &WorkspaceSid,
        draft: &TaskQueueDraft<'_>,
    ) -> Result<TaskQueue, RestError> {
        let path = format!("/v1/Workspaces/{workspace}/TaskQueues");
        self.post(Endpoint::CreateTaskQueue, &path, draft).await
    }

    /// Updates a task queue.
    ///
    /// # Errors
    /// Twilio refused, or no answer came: then it may be done.
    pub async fn update_task_queue(
        &self,
        workspace: &WorkspaceSid,
        queue: &TaskQueueSid,
        draft: &TaskQueueDraft<'_>,
    ) -> Result<TaskQueue, RestError> {
        let path = format!("/v1/Workspaces/{workspace}/TaskQueues/{queue}");
        self.post(Endpoint::UpdateTaskQueue, &path, draft).await
    }

    /// Deletes a task queue, which no workflow may name. Returns whether it still existed.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn delete_task_queue(
        &self,
        workspace: &WorkspaceSid,
        queue: &TaskQueueSid,
    ) -> Result<bool, RestError> {
        let path = format!("/v1/Workspaces/{workspace}/TaskQueues/{queue}");
        self.delete(Endpoint::DeleteTaskQueue, &path).await
    }
}
