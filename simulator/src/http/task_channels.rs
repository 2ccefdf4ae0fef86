//! `/v1/Workspaces/{WorkspaceSid}/TaskChannels`

use serde::Serialize;
use serde_json::{Map, Value};
use twilio::{AccountSid, TaskChannelSid, WorkspaceSid};

use super::answer::{Answer, ApiError};
use super::endpoint::{Endpoint, Route};
use super::paging::{Meta, page};
use super::request::ApiRequest;
use crate::dates::iso8601;
use crate::state::State;

const TASK_CHANNELS: &str = "/v1/Workspaces/{WorkspaceSid}/TaskChannels";

pub(super) const ROUTES: &[Route] = &[Route::get(Endpoint::ListTaskChannel, TASK_CHANNELS, list)];

#[derive(Serialize)]
struct Shown {
    account_sid: AccountSid,
    date_created: String,
    date_updated: String,
    friendly_name: &'static str,
    sid: TaskChannelSid,
    unique_name: &'static str,
    workspace_sid: WorkspaceSid,
    channel_optimized_routing: bool,
    url: String,
    links: Map<String, Value>,
}

fn list(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    struct List {
        channels: Vec<Shown>,
        meta: Meta,
    }
    let workspace = super::workspace(state, request)?;
    let sid = state.demo.voice_channel;
    let url = format!(
        "{}v1/Workspaces/{workspace}/TaskChannels/{sid}",
        state.base_url
    );
    let now = state.now();
    let voice = Shown {
        account_sid: state.account.sid,
        date_created: iso8601(now),
        date_updated: iso8601(now),
        friendly_name: "Voice",
        sid,
        unique_name: "voice",
        workspace_sid: workspace,
        channel_optimized_routing: false,
        links: super::links(&url, &[]),
        url,
    };
    let page = page(request, vec![((0, 0), voice)])?;
    Ok(Answer::ok(&List {
        meta: page.meta(&state.base_url, "channels"),
        channels: page.items,
    }))
}
