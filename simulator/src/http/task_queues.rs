//! `/v1/Workspaces/{WorkspaceSid}/TaskQueues…`

use serde::Serialize;
use serde_json::{Map, Value, json};
use twilio::{AccountSid, TaskQueueSid, WorkspaceSid};

use super::answer::{Answer, ApiError};
use super::endpoint::{Endpoint, Route};
use super::paging::{Meta, page};
use super::request::ApiRequest;
use crate::dates::iso8601;
use crate::resources::{TaskOrder, TaskQueue};
use crate::state::State;

const TASK_QUEUES: &str = "/v1/Workspaces/{WorkspaceSid}/TaskQueues";
const TASK_QUEUE: &str = "/v1/Workspaces/{WorkspaceSid}/TaskQueues/{Sid}";

pub(super) const ROUTES: &[Route] = &[
    Route::get(Endpoint::ListTaskQueue, TASK_QUEUES, list),
    Route::post(Endpoint::CreateTaskQueue, TASK_QUEUES, create),
    Route::get(Endpoint::FetchTaskQueue, TASK_QUEUE, fetch),
    Route::post(Endpoint::UpdateTaskQueue, TASK_QUEUE, update),
    Route::delete(Endpoint::DeleteTaskQueue, TASK_QUEUE, delete),
];

#[derive(Serialize)]
struct Shown<'a> {
    account_sid: AccountSid,
    assignment_activity_sid: Option<&'a str>,
    assignment_activity_name: Option<&'a str>,
    date_created: String,
    date_updated: String,
    friendly_name: &'a str,
    max_reserved_workers: u32,
    reservation_activity_sid: Option<&'a str>,
    reservation_activity_name: Option<&'a str>,
    sid: TaskQueueSid,
    target_workers: &'a str,
    task_order: TaskOrder,
    url: String,
    workspace_sid: WorkspaceSid,
    links: Map<String, Value>,
}

fn list(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    struct List<'a> {
        task_queues: Vec<Shown<'a>>,
        meta: Meta,
    }
    let workspace = super::workspace(state, request)?;
    let name = request.query("FriendlyName");
    let queues = state
        .task_queues
        .numbered()
        .filter(|(_, queue)| queue.workspace == workspace)
        .filter(|(_, queue)| name.is_none_or(|name| queue.friendly_name == name))
        .map(|(number, queue)| ((0, number.cast_signed()), queue))
        .collect();
    let page = page(request, queues)?;
    Ok(Answer::ok(&List {
        meta: page.meta(&state.base_url, "task_queues"),
        task_queues: page.items.iter().map(|q| show(state, q)).collect(),
    }))
}

fn fetch(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let workspace = super::workspace(state, request)?;
    let sid: TaskQueueSid = request.sid("Sid")?;
    let queue = state
        .task_queues
        .get(&sid)
        .filter(|queue| queue.workspace == workspace)
        .ok_or_else(|| request.not_found())?;
    Ok(Answer::ok(&show(state, queue)))
}

fn create(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let workspace = super::workspace(state, request)?;
    let friendly_name = request.required("FriendlyName")?;
    check_name(state, workspace, friendly_name, None)?;
    let max_reserved_workers = request.parsed("MaxReservedWorkers")?.unwrap_or(1);
    if !(1..=50).contains(&max_reserved_workers) {
        let message = "MaxReservedWorkers must be from 1 to 50";
        return Err(ApiError::invalid(message));
    }
    let task_order = match request.form("TaskOrder") {
        None => TaskOrder::default(),
        Some(order) => TaskOrder::parse(order)
            .ok_or_else(|| ApiError::invalid("TaskOrder must be FIFO or LIFO"))?,
    };
    let now = state.now();
    let queue = TaskQueue {
        sid: state.ids.task_queue(),
        workspace,
        friendly_name: friendly_name.to_owned(),
        target_workers: request.form("TargetWorkers").unwrap_or("1==1").to_owned(),
        max_reserved_workers,
        task_order,
        created: now,
        updated: now,
    };
    let answer = Answer::created(&show(state, &queue));
    state.task_queues.insert(queue.sid, queue);
    Ok(answer)
}

/// Names are unique in a workspace.
fn check_name(
    state: &State,
    workspace: WorkspaceSid,
    name: &str,
    except: Option<TaskQueueSid>,
) -> Result<(), ApiError> {
    let taken = state.task_queues.values().any(|queue| {
        queue.workspace == workspace && queue.friendly_name == name && except != Some(queue.sid)
    });
    match taken {
        true => Err(super::name_taken("TaskQueue", name)),
        false => Ok(()),
    }
}

fn update(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let workspace = super::workspace(state, request)?;
    let sid: TaskQueueSid = request.sid("Sid")?;
    if let Some(name) = request.form("FriendlyName") {
        check_name(state, workspace, name, Some(sid))?;
    }
    let now = state.now();
    let queue = state.task_queues.get_mut(&sid);
    let queue = queue
        .filter(|queue| queue.workspace == workspace)
        .ok_or_else(|| request.not_found())?;
    if let Some(name) = request.form("FriendlyName") {
        name.clone_into(&mut queue.friendly_name);
    }
    if let Some(expression) = request.form("TargetWorkers") {
        expression.clone_into(&mut queue.target_workers);
    }
    queue.updated = now;
    fetch(state, request)
}

fn delete(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let workspace = super::workspace(state, request)?;
    let sid: TaskQueueSid = request.sid("Sid")?;
    let queue = state.task_queues.get(&sid);
    queue
        .filter(|queue| queue.workspace == workspace)
        .ok_or_else(|| request.not_found())?;
    let user = state
        .workflows
        .values()
        .find(|workflow| workflow.routing.queues().any(|queue| queue == sid));
    if let Some(user) = user {
        let message = format!(
            "Cannot delete TaskQueue {sid} because Workflow {} refers to it",
            user.sid
        );
        return Err(ApiError::invalid(message));
    }
    state.task_queues.remove(&sid);
    Ok(Answer::no_content())
}

fn show<'a>(state: &State, queue: &'a TaskQueue) -> Shown<'a> {
    let workspace = format!("{}v1/Workspaces/{}", state.base_url, queue.workspace);
    let url = format!("{workspace}/TaskQueues/{}", queue.sid);
    let links = json!({
        "workspace": workspace,
        "statistics": format!("{url}/Statistics"),
        "real_time_statistics": format!("{url}/RealTimeStatistics"),
        "cumulative_statistics": format!("{url}/CumulativeStatistics"),
        "list_statistics": format!("{workspace}/TaskQueues/Statistics"),
        "bulk_real_time_statistics": format!("{workspace}/TaskQueues/RealTimeStatistics"),
        "assignment_activity": null,
        "reservation_activity": null,
    });
    Shown {
        account_sid: state.account.sid,
        assignment_activity_sid: None,
        assignment_activity_name: None,
        date_created: iso8601(queue.created),
        date_updated: iso8601(queue.updated),
        friendly_name: &queue.friendly_name,
        max_reserved_workers: queue.max_reserved_workers,
        reservation_activity_sid: None,
        reservation_activity_name: None,
        sid: queue.sid,
        target_workers: &queue.target_workers,
        task_order: queue.task_order,
        url,
        workspace_sid: queue.workspace,
        links: links.as_object().cloned().unwrap_or_default(),
    }
}
