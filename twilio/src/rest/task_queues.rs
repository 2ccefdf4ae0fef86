//! Task queues (<https://www.twilio.com/docs/taskrouter/api/task-queue>).

use reqwest::Method;
use serde::Deserialize;

use super::{Client, Endpoint, Product, RestError, null_is_empty};
use crate::{TaskQueueSid, WorkspaceSid};

/// A task queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TaskQueue {
    /// The queue.
    pub sid: TaskQueueSid,
    /// Its name.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub friendly_name: String,
    /// Which workers it offers its tasks to: an expression over their attributes. Empty, nobody.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub target_workers: String,
}

/// What a task queue is to be.
#[derive(Debug, Clone, Copy)]
pub struct TaskQueueDraft<'a> {
    /// Its name.
    pub friendly_name: &'a str,
    /// Which workers it offers its tasks to.
    pub target_workers: &'a str,
}

impl<'a> TaskQueueDraft<'a> {
    fn form(&self) -> [(&'static str, &'a str); 2] {
        [
            ("FriendlyName", self.friendly_name),
            ("TargetWorkers", self.target_workers),
        ]
    }
}

impl Client {
    /// All task queues of a workspace.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn task_queues(&self, workspace: &WorkspaceSid) -> Result<Vec<TaskQueue>, RestError> {
        let first = format!("/v1/Workspaces/{workspace}/TaskQueues?PageSize=100");
        self.list(
            Endpoint::ListTaskQueues,
            Product::Taskrouter,
            first,
            "task_queues",
        )
        .await
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
        let path = format_args!("/v1/Workspaces/{workspace}/TaskQueues");
        let request = self
            .request(Method::POST, Product::Taskrouter, path)
            .form(&draft.form());
        self.send_for(Endpoint::CreateTaskQueue, request).await
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
        let path = format_args!("/v1/Workspaces/{workspace}/TaskQueues/{queue}");
        let request = self
            .request(Method::POST, Product::Taskrouter, path)
            .form(&draft.form());
        self.send_for(Endpoint::UpdateTaskQueue, request).await
    }

    /// Deletes a task queue, which no workflow may name. Whether it was still there.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn delete_task_queue(
        &self,
        workspace: &WorkspaceSid,
        queue: &TaskQueueSid,
    ) -> Result<bool, RestError> {
        let path = format_args!("/v1/Workspaces/{workspace}/TaskQueues/{queue}");
        self.delete(Endpoint::DeleteTaskQueue, Product::Taskrouter, path)
            .await
    }
}
