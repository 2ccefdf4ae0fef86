//! Workflows (<https://www.twilio.com/docs/taskrouter/api/workflow>).

use serde::Deserialize;

use super::{Client, Endpoint, RestError, null_is_empty};
use crate::json::lenient;
use crate::{AccountSid, TaskQueueSid, WorkflowSid, WorkspaceSid};

/// A workflow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Workflow {
    /// The workflow.
    pub sid: WorkflowSid,
    /// Its account.
    #[serde(default, deserialize_with = "lenient")]
    pub account_sid: Option<AccountSid>,
    /// Its name.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub friendly_name: String,
    /// Filters and their targets, as JSON.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub configuration: String,
}

impl Workflow {
    /// Whether one of its targets is the task queue.
    pub fn leads_to(&self, task_queue: &TaskQueueSid) -> bool {
        self.configuration.contains(task_queue.as_str())
    }
}

impl Client {
    /// All workflows of a workspace.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn workflows(&self, workspace: &WorkspaceSid) -> Result<Vec<Workflow>, RestError> {
        let first = format!("/v1/Workspaces/{workspace}/Workflows?PageSize=100");
        self.list(Endpoint::ListWorkflow, first, "workflows").await
    }

    /// Creates a workflow.
    ///
    /// # Errors
    /// Twilio refused, or no answer came: then it may exist.
    pub async fn create_workflow(
        &self,
        workspace: &WorkspaceSid,
        friendly_name: &str,
        configuration: &str,
    ) -> Result<Workflow, RestError> {
        let path = format!("/v1/Workspaces/{workspace}/Workflows");
        let form = [
            ("FriendlyName", friendly_name),
            ("Configuration", configuration),
        ];
        self.post(Endpoint::CreateWorkflow, &path, &form).await
    }

    /// Replaces a workflow's configuration. Tasks under way keep their route.
    ///
    /// # Errors
    /// Twilio refused, or no answer came: then it may be done.
    pub async fn update_workflow(
        &self,
        workspace: &WorkspaceSid,
        workflow: &WorkflowSid,
        configuration: &str,
    ) -> Result<Workflow, RestError> {
        let path = format!("/v1/Workspaces/{workspace}/Workflows/{workflow}");
        let form = [("Configuration", configuration)];
        self.post(Endpoint::UpdateWorkflow, &path, &form).await
    }

    /// How many tasks of a workflow wait to be accepted, in whichever task queue.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn waiting_tasks(
        &self,
        workspace: &WorkspaceSid,
        workflow: &WorkflowSid,
    ) -> Result<usize, RestError> {
        let wanted = format!("WorkflowSid={workflow}&AssignmentStatus=pending");
        let tasks = self.tasks(workspace, &wanted).await?;
        Ok(tasks.items.len() + tasks.unreadable)
    }

    /// Deletes a workflow. Returns whether it still existed.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn delete_workflow(
        &self,
        workspace: &WorkspaceSid,
        workflow: &WorkflowSid,
    ) -> Result<bool, RestError> {
        let path = format!("/v1/Workspaces/{workspace}/Workflows/{workflow}");
        self.delete(Endpoint::DeleteWorkflow, &path).await
    }
}
