//! `/v1/Workspaces…`

use serde::Serialize;
use serde_json::{Map, Value};
use twilio::{AccountSid, WorkspaceSid};

use super::answer::{Answer, ApiError};
use super::endpoint::{Endpoint, Route};
use super::paging::{Meta, page};
use super::request::ApiRequest;
use crate::dates::iso8601;
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

pub(super) const ROUTES: &[Route] = &[
    Route::get(Endpoint::ListWorkspace, WORKSPACES, list),
    Route::get(Endpoint::FetchWorkspace, WORKSPACE, fetch),
    Route::post(Endpoint::UpdateWorkspace, WORKSPACE, update),
];

#[derive(Serialize)]
struct Shown<'a> {
    account_sid: AccountSid,
    date_created: String,
    date_updated: String,
    default_activity_name: &'a str,
    default_activity_sid: &'a str,
    event_callback_url: &'a str,
    events_filter: Option<&'a str>,
    friendly_name: &'a str,
    multi_task_enabled: bool,
    sid: WorkspaceSid,
    timeout_activity_name: &'a str,
    timeout_activity_sid: &'a str,
    prioritize_queue_order: &'a str,
    url: String,
    links: Map<String, Value>,
}

fn list(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    struct List<'a> {
        workspaces: Vec<Shown<'a>>,
        meta: Meta,
    }
    let name = request.query("FriendlyName");
    let workspaces = state
        .workspaces
        .numbered()
        .filter(|(_, workspace)| name.is_none_or(|name| workspace.friendly_name == name))
        .map(|(number, workspace)| ((0, number.cast_signed()), workspace))
        .collect();
    let page = page(request, workspaces)?;
    Ok(Answer::ok(&List {
        meta: page.meta(&state.base_url, "workspaces"),
        workspaces: page.items.iter().map(|w| show(state, w)).collect(),
    }))
}

fn fetch(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let sid: WorkspaceSid = request.sid("Sid")?;
    let workspace = state.workspaces.get(&sid);
    let workspace = workspace.ok_or_else(|| request.not_found())?;
    Ok(Answer::ok(&show(state, workspace)))
}

fn update(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let sid: WorkspaceSid = request.sid("Sid")?;
    let multi_task_enabled: Option<bool> = request.parsed("MultiTaskEnabled")?;
    let callback_url = request.form("EventCallbackUrl");
    if callback_url.is_some_and(|url| !url.is_empty() && url::Url::parse(url).is_err()) {
        return Err(ApiError::invalid("EventCallbackUrl is not a valid URL"));
    }
    let now = state.now();
    let workspace = state.workspaces.get_mut(&sid);
    let workspace = workspace.ok_or_else(|| request.not_found())?;
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
    fetch(state, request)
}

fn show<'a>(state: &State, workspace: &'a Workspace) -> Shown<'a> {
    let url = format!("{}v1/Workspaces/{}", state.base_url, workspace.sid);
    Shown {
        account_sid: state.account.sid,
        date_created: iso8601(workspace.created),
        date_updated: iso8601(workspace.updated),
        default_activity_name: "Offline",
        default_activity_sid: &workspace.default_activity,
        event_callback_url: workspace.event_callback_url.as_deref().unwrap_or_default(),
        events_filter: workspace.events_filter.as_deref(),
        friendly_name: &workspace.friendly_name,
        multi_task_enabled: workspace.multi_task_enabled,
        sid: workspace.sid,
        timeout_activity_name: "Offline",
        timeout_activity_sid: &workspace.timeout_activity,
        prioritize_queue_order: "FIFO",
        links: super::links(&url, &LINKS),
        url,
    }
}
