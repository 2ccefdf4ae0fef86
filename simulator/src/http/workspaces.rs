//! `/v1/Workspaces…`

use serde_json::{Value, json};
use twilio::WorkspaceSid;

use super::answer::{Answer, ApiError};
use super::operation::{Endpoint, Operation};
use super::request::ApiRequest;
use super::resource::{Resource, fetch, find_mut, kept, links, list};
use crate::dates::iso8601;
use crate::ordered::Ordered;
use crate::resources::Workspace;
use crate::state::State;

const WORKSPACES: &str = "/v1/Workspaces";
const WORKSPACE: &str = "/v1/Workspaces/{Sid}";

const LINKS: [&str; 10] = [
    "activities",
    "statistics",
    "real_time_statistics",
    "cumulative_statistics",
    "task_queues",
    "tasks",
    "workers",
    "workflows",
    "task_channels",
    "events",
];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get(Endpoint::ListWorkspace, WORKSPACES, list::<Workspace>),
    Operation::get(Endpoint::FetchWorkspace, WORKSPACE, fetch::<Workspace>),
    Operation::post(Endpoint::UpdateWorkspace, WORKSPACE, update),
];

impl Resource for Workspace {
    kept!(WorkspaceSid, workspaces, "workspaces");

    fn name(&self) -> Option<&str> {
        Some(&self.friendly_name)
    }

    fn show(&self, state: &State) -> Value {
        let url = format!("{}v1/Workspaces/{}", state.base_url, self.sid);
        json!({
            "account_sid": state.account.sid,
            "date_created": iso8601(self.created),
            "date_updated": iso8601(self.updated),
            "default_activity_name": "Offline",
            "default_activity_sid": self.default_activity,
            "event_callback_url": self.event_callback_url.as_deref().unwrap_or_default(),
            "events_filter": self.events_filter,
            "friendly_name": self.friendly_name,
            "multi_task_enabled": self.multi_task_enabled,
            "sid": self.sid,
            "timeout_activity_name": "Offline",
            "timeout_activity_sid": self.timeout_activity,
            "prioritize_queue_order": "FIFO",
            "links": links(&url, &LINKS),
            "url": url,
        })
    }
}

fn update(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let multi_task_enabled: Option<bool> = request.parsed("MultiTaskEnabled")?;
    let callback_url = request.form("EventCallbackUrl");
    if callback_url.is_some_and(|url| !url.is_empty() && url::Url::parse(url).is_err()) {
        return Err(ApiError::invalid("EventCallbackUrl is not a valid URL"));
    }
    let now = state.now();
    let workspace = find_mut::<Workspace>(state, request)?;
    if let Some(url) = callback_url {
        workspace.event_callback_url = Some(url.to_owned()).filter(|url| !url.is_empty());
    }
    if let Some(filter) = request.form("EventsFilter") {
        workspace.events_filter = Some(filter.to_owned()).filter(|filter| !filter.is_empty());
    }
    if let Some(name) = request.form("FriendlyName") {
        workspace.friendly_name = name.to_owned();
    }
    if let Some(enabled) = multi_task_enabled {
        workspace.multi_task_enabled = enabled;
    }
    workspace.updated = now;
    fetch::<Workspace>(state, request)
}
