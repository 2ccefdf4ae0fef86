//! Task channels.

use axum::response::Response;
use serde_json::json;

use super::error::ApiError;
use super::paging::page;
use super::request::ApiRequest;
use super::resource::links;
use crate::dates::iso8601;
use crate::state::State;

pub(super) fn list(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
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
