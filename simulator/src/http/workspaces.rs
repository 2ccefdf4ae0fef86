//! Workspaces.

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio::WorkspaceSid;

use super::error::ApiError;
use super::request::ApiRequest;
use super::resource::{Resource, change, kept, links, shown};
use crate::ordered::Ordered;
use crate::resources::Workspace;
use crate::state::State;

const LINKS: &str = "activities statistics real_time_statistics cumulative_statistics \
     task_queues tasks workers workflows task_channels events";

impl Resource for Workspace {
    kept!(WorkspaceSid, workspaces, "workspaces");

    fn name(&self) -> Option<&str> {
        Some(&self.friendly_name)
    }

    fn show(&self, state: &State) -> Value {
        let url = format!("{}v1/Workspaces/{}", state.base_url, self.sid);
        let others = json!({
            "account_sid": state.account.sid,
            "default_activity_name": "Offline",
            "prioritize_queue_order": "FIFO",
            "links": links(&url, LINKS),
            "url": url,
        });
        shown(self, others)
    }
}

pub(super) fn update(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let multi_task_enabled = request.parsed("MultiTaskEnabled")?;
    let callback_url = request.form("EventCallbackUrl");
    if callback_url.is_some_and(|url| !url.is_empty() && url::Url::parse(url).is_err()) {
        return Err(ApiError::invalid("EventCallbackUrl is not a valid URL"));
    }
    change(state, request, |workspace: &mut Workspace| {
        request.replace(&mut workspace.event_callback_url, "EventCallbackUrl");
        request.replace(&mut workspace.friendly_name, "FriendlyName");
        if let Some(filter) = request.form("EventsFilter") {
            workspace.events_filter = Some(filter.to_owned()).filter(|filter| !filter.is_empty());
        }
        if let Some(enabled) = multi_task_enabled {
            workspace.multi_task_enabled = enabled;
        }
    })
}
