//! Tasks.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio::{TaskQueueSid, TaskSid, WorkflowSid, WorkspaceSid};

use super::error::ApiError;
use super::paging::{Place, page};
use super::request::{ApiRequest, word};
use super::resource::{Resource, find, kept};
use crate::dates::iso8601;
use crate::ordered::Ordered;
use crate::resources::{Task, TaskStatus};
use crate::state::{Begin, State, TaskChange};

impl Resource for Task {
    kept!(TaskSid, tasks, "tasks");

    fn workspace(&self) -> Option<WorkspaceSid> {
        Some(self.workspace)
    }

    fn show(&self, state: &State) -> Value {
        let queue = self.target().queue;
        let workspace = format!("{}v1/Workspaces/{}", state.base_url, self.workspace);
        let url = format!("{workspace}/Tasks/{}", self.sid);
        json!({
            "account_sid": state.account.sid,
            "age": self.age(state.now()),
            "assignment_status": self.status,
            "attributes": self.attributes,
            "addons": "{}",
            "date_created": iso8601(self.dates.created),
            "date_updated": iso8601(self.dates.updated),
            "task_queue_entered_date": iso8601(self.entered),
            "priority": self.priority,
            "reason": self.reason,
            "sid": self.sid,
            "task_queue_sid": queue,
            "task_queue_friendly_name": state.task_queue_name(queue),
            "task_channel_sid": state.demo.voice_channel,
            "task_channel_unique_name": "voice",
            "timeout": self.ttl.as_secs(),
            "workflow_sid": self.workflow,
            "workflow_friendly_name": state.workflow_name(self.workflow),
            "workspace_sid": self.workspace,
            "links": {
                "task_queue": format!("{workspace}/TaskQueues/{queue}"),
                "workflow": format!("{workspace}/Workflows/{}", self.workflow),
                "workspace": workspace,
                "reservations": format!("{url}/Reservations"),
            },
            "url": url,
            "virtual_start_time": iso8601(self.dates.created),
            "ignore_capacity": false,
            "routing_target": null,
        })
    }

    fn show_in_list(&self, state: &State) -> Value {
        let mut shown = self.show(state);
        if !state.config.attributes_in_lists {
            shown["attributes"] = Value::Null;
        }
        shown
    }
}

pub(super) fn list(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let filter = Filter::read(request)?;
    let ordering = Ordering::read(request.query("Ordering"))?;
    let tasks = state
        .tasks
        .entries()
        .filter(|(_, _, task)| task.is_below(request) && filter.takes(state, task))
        .map(|(number, _, task)| (ordering.place(task, number.cast_signed()), task))
        .collect();
    page(state, request, Task::LIST, tasks, |task| {
        task.show_in_list(state)
    })
}

/// Which tasks are listed.
struct Filter<'a> {
    statuses: Vec<TaskStatus>,
    task_queue: Option<TaskQueueSid>,
    task_queue_name: Option<&'a str>,
    workflow: Option<WorkflowSid>,
    workflow_name: Option<&'a str>,
    priority: Option<i64>,
}

impl<'a> Filter<'a> {
    fn read(request: &'a ApiRequest) -> Result<Self, ApiError> {
        // It may be repeated, or separated by commas.
        let statuses = request
            .record
            .query
            .iter()
            .filter(|(name, _)| name == "AssignmentStatus")
            .flat_map(|(_, value)| value.split(','))
            .map(|status| word("AssignmentStatus", status))
            .collect::<Result<_, _>>()?;
        if request.query("EvaluateTaskAttributes").is_some() {
            let message = "The simulator doesn't evaluate task attributes";
            return Err(ApiError::invalid(message));
        }
        Ok(Self {
            statuses,
            task_queue: request.parsed_query("TaskQueueSid")?,
            task_queue_name: request.query("TaskQueueName"),
            workflow: request.parsed_query("WorkflowSid")?,
            workflow_name: request.query("WorkflowName"),
            priority: request.parsed_query("Priority")?,
        })
    }

    fn takes(&self, state: &State, task: &Task) -> bool {
        let queue = task.target().queue;
        (self.statuses.is_empty() || self.statuses.contains(&task.status))
            && self.task_queue.is_none_or(|wanted| wanted == queue)
            && self.workflow.is_none_or(|wanted| wanted == task.workflow)
            && self.priority.is_none_or(|wanted| wanted == task.priority)
            && self
                .task_queue_name
                .is_none_or(|wanted| wanted == state.task_queue_name(queue))
            && self
                .workflow_name
                .is_none_or(|wanted| wanted == state.workflow_name(task.workflow))
    }
}

/// `Attribute:Order` pairs. Here the virtual start time is the time of creation.
struct Ordering {
    /// 1 for ascending, -1 for descending, 0 for neither.
    priority: i64,
    created: i64,
}

impl Ordering {
    fn read(text: Option<&str>) -> Result<Self, ApiError> {
        let mut ordering = Self {
            priority: 0,
            created: 1,
        };
        for pair in text.into_iter().flat_map(|text| text.split(',')) {
            match pair.split_once(':') {
                Some(("Priority", "asc")) => ordering.priority = 1,
                Some(("Priority", "desc")) => ordering.priority = -1,
                Some(("DateCreated" | "VirtualStartTime", "asc")) => ordering.created = 1,
                Some(("DateCreated" | "VirtualStartTime", "desc")) => ordering.created = -1,
                _ => return Err(ApiError::invalid("Ordering is not valid")),
            }
        }
        Ok(ordering)
    }

    fn place(&self, task: &Task, number: i64) -> Place {
        (self.priority * task.priority, self.created * number)
    }
}

pub(super) fn fetch(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let task = find::<Task>(state, request)?;
    Ok(show(StatusCode::OK, state, task))
}

pub(super) fn create(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let workspace = request.workspace()?;
    let workflow = match request.parsed("WorkflowSid")? {
        Some(workflow) => workflow,
        None => state
            .workflows
            .values()
            .find(|workflow| workflow.workspace_sid == workspace)
            .map(|workflow| workflow.sid)
            .ok_or_else(|| ApiError::missing("WorkflowSid"))?,
    };
    if let Some(channel) = request.form("TaskChannel")
        && !state.is_task_channel(channel)
    {
        let message = format!("TaskChannel {channel} does not exist");
        return Err(ApiError::invalid(message));
    }
    let attributes = parse_attributes(request.form("Attributes").unwrap_or("{}"))?;
    let (priority, ttl) = (request.parsed("Priority")?, request.parsed("Timeout")?);
    let mut task = state
        .new_task(workflow, &attributes, Begin::FirstStep)
        .ok_or_else(|| ApiError::invalid("No workflow filter matches the task"))?;
    let sid = task.sid;
    task.priority = priority.unwrap_or(task.priority);
    task.ttl = ttl.map_or(task.ttl, Duration::from_secs);
    state.route_task(task);
    let task = state.tasks.get(&sid).ok_or_else(|| request.not_found())?;
    Ok(show(StatusCode::CREATED, state, task))
}

/// The task that is to be changed; an error if `If-Match` names another version of it.
fn find_to_change<'a>(state: &'a State, request: &ApiRequest) -> Result<&'a Task, ApiError> {
    let task = find::<Task>(state, request)?;
    let wanted = request.record.if_match.as_deref();
    if wanted.is_some_and(|wanted| wanted != "*" && wanted != etag(task)) {
        let message = "If-Match is not the task's current ETag";
        return Err(ApiError::new(412, 20412, message));
    }
    Ok(task)
}

/// Its call, if it has one, waits on.
pub(super) fn delete(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let sid = find_to_change(state, request)?.sid;
    state.delete_task(sid);
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) fn update(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let sid = find_to_change(state, request)?.sid;
    let attributes = request.form("Attributes");
    attributes.map(parse_attributes).transpose()?;
    let change = TaskChange {
        attributes: attributes.map(str::to_owned),
        status: request.word("AssignmentStatus")?,
        reason: request.form("Reason").map(str::to_owned),
        priority: request.parsed("Priority")?,
    };
    state.change_task(sid, change).map_err(ApiError::invalid)?;
    fetch(state, request)
}

fn show(status: StatusCode, state: &State, task: &Task) -> Response {
    (status, [(ETAG, etag(task))], Json(task.show(state))).into_response()
}

fn parse_attributes(json: &str) -> Result<Value, ApiError> {
    let attributes = serde_json::from_str(json).ok().filter(Value::is_object);
    attributes
        .ok_or_else(|| ApiError::invalid("The Attributes parameter is not a valid JSON object"))
}

fn etag(task: &Task) -> String {
    format!("\"{}\"", task.version)
}
