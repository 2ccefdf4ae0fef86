//! Workspaces (<https://www.twilio.com/docs/taskrouter/api/workspace>).

use serde::{Deserialize, Serialize};

use super::{Client, Endpoint, RestError, null_is_empty};
use crate::WorkspaceSid;

/// A workspace: its name, and where its events go.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Workspace {
    /// The workspace.
    pub sid: WorkspaceSid,
    /// Its name.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub friendly_name: String,
    /// The one URL that events are posted to, connection overrides included; empty where none is.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub event_callback_url: String,
    /// Which events are sent, separated by commas; all of them if empty.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub events_filter: String,
    /// The activity into which a worker is put who lets an offered task time out.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub timeout_activity_name: String,
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold credentials.
        write!(f, "Workspace({})", self.sid)
    }
}

/// A change of a workspace's event callback. An empty string clears the setting.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct WorkspaceChange<'a> {
    /// Where events are to go.
    pub event_callback_url: &'a str,
    /// Which.
    pub events_filter: &'a str,
}

impl Client {
    /// All workspaces of the account.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn workspaces(&self) -> Result<Vec<Workspace>, RestError> {
        let first = "/v1/Workspaces?PageSize=1000".to_owned();
        self.list(Endpoint::ListWorkspace, first, "workspaces")
            .await
    }

    /// Reads a workspace; `None` where there is no such workspace.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn workspace(
        &self,
        workspace: &WorkspaceSid,
    ) -> Result<Option<Workspace>, RestError> {
        let path = format!("/v1/Workspaces/{workspace}");
        self.find(Endpoint::FetchWorkspace, &path).await
    }

    /// Sets where the events of a workspace go, and which; nothing else of it is touched.
    ///
    /// # Errors
    /// Twilio refused, or no answer came: then it may be done.
    pub async fn update_workspace(
        &self,
        workspace: &WorkspaceSid,
        change: WorkspaceChange<'_>,
    ) -> Result<Workspace, RestError> {
        let path = format!("/v1/Workspaces/{workspace}");
        self.post(Endpoint::UpdateWorkspace, &path, &change).await
    }
}
