//! `/v1/Workspaces/{WorkspaceSid}/Workflows…`

use serde::Serialize;
use serde_json::{Map, Value};
use twilio::{AccountSid, WorkflowSid, WorkspaceSid};

use super::answer::{Answer, ApiError};
use super::endpoint::{Endpoint, Route};
use super::paging::{Meta, page};
use super::request::ApiRequest;
use crate::dates::iso8601;
use crate::resources::{Routing, Workflow, parse_configuration};
use crate::state::State;

const WORKFLOWS: &str = "/v1/Workspaces/{WorkspaceSid}/Workflows";
const WORKFLOW: &str = "/v1/Workspaces/{WorkspaceSid}/Workflows/{Sid}";

const LINKS: [&str; 3] = [
    "statistics",
    "real_time_statistics",
    "cumulative_statistics",
];

pub(super) const ROUTES: &[Route] = &[
    Route::get(Endpoint::ListWorkflow, WORKFLOWS, list),
    Route::post(Endpoint::CreateWorkflow, WORKFLOWS, create),
    Route::get(Endpoint::FetchWorkflow, WORKFLOW, fetch),
    Route::post(Endpoint::UpdateWorkflow, WORKFLOW, update),
    Route::delete(Endpoint::DeleteWorkflow, WORKFLOW, delete),
];

#[derive(Serialize)]
struct Shown<'a> {
    account_sid: AccountSid,
    assignment_callback_url: Option<&'a str>,
    configuration: &'a str,
    date_created: String,
    date_updated: String,
    document_content_type: &'a str,
    fallback_assignment_callback_url: Option<&'a str>,
    friendly_name: &'a str,
    sid: WorkflowSid,
    task_reservation_timeout: u32,
    workspace_sid: WorkspaceSid,
    url: String,
    links: Map<String, Value>,
}

fn list(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    struct List<'a> {
        workflows: Vec<Shown<'a>>,
        meta: Meta,
    }
    let workspace = super::workspace(state, request)?;
    let name = request.query("FriendlyName");
    let workflows = state
        .workflows
        .numbered()
        .filter(|(_, workflow)| workflow.workspace == workspace)
        .filter(|(_, workflow)| name.is_none_or(|name| workflow.friendly_name == name))
        .map(|(number, workflow)| ((0, number.cast_signed()), workflow))
        .collect();
    let page = page(request, workflows)?;
    Ok(Answer::ok(&List {
        meta: page.meta(&state.base_url, "workflows"),
        workflows: page.items.iter().map(|w| show(state, w)).collect(),
    }))
}

fn fetch(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let workspace = super::workspace(state, request)?;
    let sid: WorkflowSid = request.sid("Sid")?;
    let workflow = state
        .workflows
        .get(&sid)
        .filter(|workflow| workflow.workspace == workspace)
        .ok_or_else(|| request.not_found())?;
    Ok(Answer::ok(&show(state, workflow)))
}

fn create(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let workspace = super::workspace(state, request)?;
    let friendly_name = request.required("FriendlyName")?;
    let configuration = request.required("Configuration")?;
    let taken = state
        .workflows
        .values()
        .any(|workflow| workflow.workspace == workspace && workflow.friendly_name == friendly_name);
    if taken {
        return Err(super::name_taken("Workflow", friendly_name));
    }
    let routing = routing(state, configuration)?;
    let task_reservation_timeout = request.parsed("TaskReservationTimeout")?.unwrap_or(120);
    if task_reservation_timeout > 86_400 {
        let message = "TaskReservationTimeout must be at most 86400";
        return Err(ApiError::invalid(message));
    }
    let now = state.now();
    let url = |name| request.form(name).filter(|url| !url.is_empty());
    let workflow = Workflow {
        sid: state.ids.workflow(),
        workspace,
        friendly_name: friendly_name.to_owned(),
        configuration: configuration.to_owned(),
        routing,
        assignment_callback_url: url("AssignmentCallbackUrl").map(str::to_owned),
        fallback_assignment_callback_url: url("FallbackAssignmentCallbackUrl").map(str::to_owned),
        task_reservation_timeout,
        created: now,
        updated: now,
    };
    let answer = Answer::created(&show(state, &workflow));
    state.workflows.insert(workflow.sid, workflow);
    Ok(answer)
}

fn routing(state: &State, configuration: &str) -> Result<Routing, ApiError> {
    let routing =
        parse_configuration(configuration).map_err(|e| ApiError::invalid(e.to_string()))?;
    if let Some(unknown) = routing
        .queues()
        .find(|queue| state.task_queues.get(queue).is_none())
    {
        let message = format!("Configuration names TaskQueue {unknown}, which does not exist");
        return Err(ApiError::invalid(message));
    }
    Ok(routing)
}

/// Tasks under way keep their route.
fn update(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let workspace = super::workspace(state, request)?;
    let sid: WorkflowSid = request.sid("Sid")?;
    let configuration = match request.form("Configuration") {
        Some(text) => Some((text.to_owned(), routing(state, text)?)),
        None => None,
    };
    let now = state.now();
    let workflow = state.workflows.get_mut(&sid);
    let workflow = workflow
        .filter(|workflow| workflow.workspace == workspace)
        .ok_or_else(|| request.not_found())?;
    if let Some((text, routing)) = configuration {
        workflow.configuration = text;
        workflow.routing = routing;
    }
    if let Some(name) = request.form("FriendlyName") {
        name.clone_into(&mut workflow.friendly_name);
    }
    workflow.updated = now;
    fetch(state, request)
}

fn delete(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let workspace = super::workspace(state, request)?;
    let sid: WorkflowSid = request.sid("Sid")?;
    let workflow = state.workflows.get(&sid);
    workflow
        .filter(|workflow| workflow.workspace == workspace)
        .ok_or_else(|| request.not_found())?;
    state.workflows.remove(&sid);
    Ok(Answer::no_content())
}

fn show<'a>(state: &State, workflow: &'a Workflow) -> Shown<'a> {
    let url = format!(
        "{}v1/Workspaces/{}/Workflows/{}",
        state.base_url, workflow.workspace, workflow.sid
    );
    Shown {
        account_sid: state.account.sid,
        assignment_callback_url: workflow.assignment_callback_url.as_deref(),
        configuration: &workflow.configuration,
        date_created: iso8601(workflow.created),
        date_updated: iso8601(workflow.updated),
        document_content_type: "application/json",
        fallback_assignment_callback_url: workflow.fallback_assignment_callback_url.as_deref(),
        friendly_name: &workflow.friendly_name,
        sid: workflow.sid,
        task_reservation_timeout: workflow.task_reservation_timeout,
        workspace_sid: workflow.workspace,
        links: super::links(&url, &LINKS),
        url,
    }
}
