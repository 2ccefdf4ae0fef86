//! Task channels (<https://www.twilio.com/docs/taskrouter/api/task-channel>).

use serde::Deserialize;

use super::{Client, Endpoint, RestError, null_is_empty};
use crate::{TaskChannelSid, WorkspaceSid};

/// A task channel: a kind of task.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TaskChannel {
    /// The channel.
    pub sid: TaskChannelSid,
    /// What it is called in the API: `voice`, `chat` and so on.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub unique_name: String,
}

impl Client {
    /// The task channels of a workspace.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn task_channels(
        &self,
        workspace: &WorkspaceSid,
    ) -> Result<Vec<TaskChannel>, RestError> {
        let first = format!("/v1/Workspaces/{workspace}/TaskChannels?PageSize=1000");
        self.list(Endpoint::ListTaskChannel, first, "channels")
            .await
    }
}
