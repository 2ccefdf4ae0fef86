//! Workflows (<https://www.twilio.com/docs/taskrouter/api/workflow>).

use serde::{Deserialize, Serialize};

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
    /// How long a worker has to take an offered task, in seconds.
    #[serde(default)]
    pub task_reservation_timeout: Option<u32>,
}

/// What a workflow is to be. A configuration alone makes one.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct WorkflowDraft<'a> {
    /// Filters and their targets, as JSON.
    pub configuration: &'a str,
    /// How long a worker has to take an offered task, in seconds; `None` to leave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_reservation_timeout: Option<u32>,
    /// Whether tasks that wait are to go by the new configuration, from its start; for updates.
    #[serde(rename = "ReEvaluateTasks", skip_serializing_if = "is_false")]
    pub re_evaluate_tasks: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl<'a> From<&'a str> for WorkflowDraft<'a> {
    fn from(configuration: &'a str) -> Self {
        Self {
            configuration,
            task_reservation_timeout: None,
            re_evaluate_tasks: false,
        }
    }
}

impl<'a> From<&'a String> for WorkflowDraft<'a> {
    fn from(configuration: &'a String) -> Self {
        configuration.as_str().into()
    }
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

    /// Reads a workflow; `None` where there is no such workflow.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn workflow(
        &self,
        workspace: &WorkspaceSid,
        workflow: &WorkflowSid,
    ) -> Result<Option<Workflow>, RestError> {
        let path = format!("/v1/Workspaces/{workspace}/Workflows/{workflow}");
        self.find(Endpoint::FetchWorkflow, &path).await
    }

    /// Creates a workflow.
    ///
    /// # Errors
    /// Twilio refused, or no answer came: then it may exist.
    pub async fn create_workflow(
        &self,
        workspace: &WorkspaceSid,
        friendly_name: &str,
        draft: impl Into<WorkflowDraft<'_>>,
    ) -> Result<Workflow, RestError> {
        #[derive(Serialize)]
        struct Form<'a> {
            #[serde(rename = "FriendlyName")]
            friendly_name: &'a str,
            #[serde(flatten)]
            draft: WorkflowDraft<'a>,
        }
        let path = format!("/v1/Workspaces/{workspace}/Workflows");
        let draft = draft.into();
        let form = Form {
            friendly_name,
            draft,
        };
        self.post(Endpoint::CreateWorkflow, &path, &form).await
    }

    /// Replaces a workflow's configuration. Tasks that wait keep their route, unless they are to be
    /// evaluated again.
    ///
    /// # Errors
    /// Twilio refused, or no answer came: then it may be done.
    pub async fn update_workflow(
        &self,
        workspace: &WorkspaceSid,
        workflow: &WorkflowSid,
        draft: impl Into<WorkflowDraft<'_>>,
    ) -> Result<Workflow, RestError> {
        let path = format!("/v1/Workspaces/{workspace}/Workflows/{workflow}");
        self.post(Endpoint::UpdateWorkflow, &path, &draft.into())
            .await
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
