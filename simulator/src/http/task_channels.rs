//! `/v1/Workspaces/{WorkspaceSid}/TaskChannels`

use serde_json::json;

use super::answer::{Answer, ApiError};
use super::operation::{Endpoint, Operation};
use super::paging::page;
use super::request::ApiRequest;
use super::resource::links;
use crate::dates::iso8601;
use crate::state::State;

const TASK_CHANNELS: &str = "/v1/Workspaces/{WorkspaceSid}/TaskChannels";

pub(super) const OPERATIONS: &[Operation] = &[Operation::get(
    Endpoint::ListTaskChannel,
    TASK_CHANNELS,
    list,
)];

fn list(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let workspace = request.workspace()?;
    let sid = state.demo.voice_channel;
    let url = format!(
        "{}v1/Workspaces/{workspace}/TaskChannels/{sid}",
        state.base_url
    );
    let now = iso8601(state.now());
    let voice = json!({
        "account_sid": state.account.sid,
        "date_created": now,
        "date_updated": now,
        "friendly_name": "Voice",
        "sid": sid,
        "unique_name": "voice",
        "workspace_sid": workspace,
        "channel_optimized_routing": false,
        "links": links(&url, &[]),
        "url": url,
    });
    page(state, request, "channels", vec![((0, 0), voice)], |shown| {
        shown
    })
}
