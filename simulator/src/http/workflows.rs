//! Workflows.

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio::{WorkflowSid, WorkspaceSid};

use super::error::ApiError;
use super::request::ApiRequest;
use super::resource::{self, Resource, change, check_name, kept, links, shown};
use crate::dates::Dates;
use crate::ordered::Ordered;
use crate::resources::{TaskRouting, Workflow};
use crate::state::State;

const LINKS: &str = "statistics real_time_statistics cumulative_statistics";

impl Resource for Workflow {
    kept!(WorkflowSid, workflows, "workflows");

    fn workspace(&self) -> Option<WorkspaceSid> {
        Some(self.workspace_sid)
    }

    fn name(&self) -> Option<&str> {
        Some(&self.friendly_name)
    }

    fn show(&self, state: &State) -> Value {
        let workspace = format!("{}v1/Workspaces/{}", state.base_url, self.workspace_sid);
        let url = format!("{workspace}/Workflows/{}", self.sid);
        let others = json!({
            "account_sid": state.account.sid,
            "document_content_type": "application/json",
            "links": links(&url, LINKS),
            "url": url,
        });
        shown(self, others)
    }
}

pub(super) fn create(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let friendly_name = request.required("FriendlyName")?;
    let configuration = request.required("Configuration")?;
    check_name::<Workflow>(state, request, "Workflow", friendly_name, None)?;
    let routing = routing(state, configuration)?;
    let task_reservation_timeout = reservation_timeout(request)?.unwrap_or(120);
    let url = |name| request.form(name).filter(|url| !url.is_empty());
    let workflow = Workflow {
        sid: state.ids.sid(),
        workspace_sid: request.workspace()?,
        friendly_name: friendly_name.to_owned(),
        configuration: configuration.to_owned(),
        routing,
        assignment_callback_url: url("AssignmentCallbackUrl").map(str::to_owned),
        fallback_assignment_callback_url: url("FallbackAssignmentCallbackUrl").map(str::to_owned),
        task_reservation_timeout,
        dates: Dates::new(state.now()),
    };
    Ok(resource::create(state, workflow))
}

fn reservation_timeout(request: &ApiRequest) -> Result<Option<u32>, ApiError> {
    let seconds = request.parsed("TaskReservationTimeout")?;
    if seconds.is_some_and(|seconds| seconds > 86_400) {
        let message = "TaskReservationTimeout must be at most 86400";
        return Err(ApiError::invalid(message));
    }
    Ok(seconds)
}

fn routing(state: &State, configuration: &str) -> Result<TaskRouting, ApiError> {
    let routing = TaskRouting::parse(configuration)
        .map_err(|error| ApiError::invalid(format!("Configuration is not valid: {error}")))?;
    if let Some(unknown) = routing
        .queues()
        .find(|queue| state.task_queues.get(queue).is_none())
    {
        let message = format!("Configuration names TaskQueue {unknown}, which does not exist");
        return Err(ApiError::invalid(message));
    }
    Ok(routing)
}

/// Tasks that have a route keep it, unless they are to be evaluated again.
pub(super) fn update(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let configuration = request.form("Configuration");
    let routing = configuration.map(|text| routing(state, text)).transpose()?;
    let timeout = reservation_timeout(request)?;
    let shown = change(state, request, |workflow: &mut Workflow| {
        request.replace(&mut workflow.configuration, "Configuration");
        request.replace(&mut workflow.friendly_name, "FriendlyName");
        if let Some(routing) = routing {
            workflow.routing = routing;
        }
        if let Some(seconds) = timeout {
            workflow.task_reservation_timeout = seconds;
        }
    })?;
    if request.parsed("ReEvaluateTasks")? == Some(true) {
        state.reevaluate_tasks(request.sid("Sid")?);
    }
    Ok(shown)
}
