//! `/v1/Workspaces/{WorkspaceSid}/Workflows…`

use serde_json::{Value, json};
use twilio::WorkflowSid;

use super::answer::{Answer, ApiError};
use super::operation::{Endpoint, Operation};
use super::request::ApiRequest;
use super::resource::{self, Resource, check_name, delete, fetch, find_mut, kept, links, list};
use crate::dates::iso8601;
use crate::ordered::Ordered;
use crate::resources::{Routing, Workflow, parse_configuration};
use crate::state::State;

const WORKFLOWS: &str = "/v1/Workspaces/{WorkspaceSid}/Workflows";
const WORKFLOW: &str = "/v1/Workspaces/{WorkspaceSid}/Workflows/{Sid}";

const LINKS: [&str; 3] = [
    "statistics",
    "real_time_statistics",
    "cumulative_statistics",
];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get(Endpoint::ListWorkflow, WORKFLOWS, list::<Workflow>),
    Operation::post(Endpoint::CreateWorkflow, WORKFLOWS, create),
    Operation::get(Endpoint::FetchWorkflow, WORKFLOW, fetch::<Workflow>),
    Operation::post(Endpoint::UpdateWorkflow, WORKFLOW, update),
    Operation::delete(Endpoint::DeleteWorkflow, WORKFLOW, delete::<Workflow>),
];

impl Resource for Workflow {
    kept!(WorkflowSid, workflows, "workflows");

    fn is_below(&self, request: &ApiRequest) -> bool {
        request.workspace() == Ok(self.workspace)
    }

    fn name(&self) -> Option<&str> {
        Some(&self.friendly_name)
    }

    fn show(&self, state: &State) -> Value {
        let url = format!(
            "{}v1/Workspaces/{}/Workflows/{}",
            state.base_url, self.workspace, self.sid
        );
        json!({
            "account_sid": state.account.sid,
            "assignment_callback_url": self.assignment_callback_url,
            "configuration": self.configuration,
            "date_created": iso8601(self.created),
            "date_updated": iso8601(self.updated),
            "document_content_type": "application/json",
            "fallback_assignment_callback_url": self.fallback_assignment_callback_url,
            "friendly_name": self.friendly_name,
            "sid": self.sid,
            "task_reservation_timeout": self.task_reservation_timeout,
            "workspace_sid": self.workspace,
            "links": links(&url, &LINKS),
            "url": url,
        })
    }
}

fn create(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let workspace = request.workspace()?;
    let friendly_name = request.required("FriendlyName")?;
    let configuration = request.required("Configuration")?;
    check_name::<Workflow>(state, request, "Workflow", friendly_name, None)?;
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
    Ok(resource::create(state, workflow))
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

/// Tasks that have a route keep it.
fn update(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let configuration = match request.form("Configuration") {
        Some(text) => Some((text.to_owned(), routing(state, text)?)),
        None => None,
    };
    let now = state.now();
    let workflow = find_mut::<Workflow>(state, request)?;
    if let Some((text, routing)) = configuration {
        workflow.configuration = text;
        workflow.routing = routing;
    }
    if let Some(name) = request.form("FriendlyName") {
        name.clone_into(&mut workflow.friendly_name);
    }
    workflow.updated = now;
    fetch::<Workflow>(state, request)
}
