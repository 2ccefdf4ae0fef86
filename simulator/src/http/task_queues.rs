//! `/v1/Workspaces/{WorkspaceSid}/TaskQueues…`

use serde_json::{Value, json};
use twilio::TaskQueueSid;

use super::answer::{Answer, ApiError};
use super::operation::{Endpoint, Operation};
use super::request::ApiRequest;
use super::resource::{self, Resource, check_name, fetch, find, find_mut, kept, list};
use crate::dates::iso8601;
use crate::ordered::Ordered;
use crate::resources::{TaskOrder, TaskQueue};
use crate::state::State;

const TASK_QUEUES: &str = "/v1/Workspaces/{WorkspaceSid}/TaskQueues";
const TASK_QUEUE: &str = "/v1/Workspaces/{WorkspaceSid}/TaskQueues/{Sid}";

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get(Endpoint::ListTaskQueue, TASK_QUEUES, list::<TaskQueue>),
    Operation::post(Endpoint::CreateTaskQueue, TASK_QUEUES, create),
    Operation::get(Endpoint::FetchTaskQueue, TASK_QUEUE, fetch::<TaskQueue>),
    Operation::post(Endpoint::UpdateTaskQueue, TASK_QUEUE, update),
    Operation::delete(Endpoint::DeleteTaskQueue, TASK_QUEUE, delete),
];

impl Resource for TaskQueue {
    kept!(TaskQueueSid, task_queues, "task_queues");

    fn is_below(&self, request: &ApiRequest) -> bool {
        request.workspace() == Ok(self.workspace)
    }

    fn name(&self) -> Option<&str> {
        Some(&self.friendly_name)
    }

    fn show(&self, state: &State) -> Value {
        let workspace = format!("{}v1/Workspaces/{}", state.base_url, self.workspace);
        let url = format!("{workspace}/TaskQueues/{}", self.sid);
        json!({
            "account_sid": state.account.sid,
            "assignment_activity_sid": null,
            "assignment_activity_name": null,
            "date_created": iso8601(self.created),
            "date_updated": iso8601(self.updated),
            "friendly_name": self.friendly_name,
            "max_reserved_workers": self.max_reserved_workers,
            "reservation_activity_sid": null,
            "reservation_activity_name": null,
            "sid": self.sid,
            "target_workers": self.target_workers,
            "task_order": self.task_order,
            "workspace_sid": self.workspace,
            "links": {
                "workspace": workspace,
                "statistics": format!("{url}/Statistics"),
                "real_time_statistics": format!("{url}/RealTimeStatistics"),
                "cumulative_statistics": format!("{url}/CumulativeStatistics"),
                "list_statistics": format!("{workspace}/TaskQueues/Statistics"),
                "bulk_real_time_statistics": format!("{workspace}/TaskQueues/RealTimeStatistics"),
                "assignment_activity": null,
                "reservation_activity": null,
            },
            "url": url,
        })
    }
}

fn create(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let workspace = request.workspace()?;
    let friendly_name = request.required("FriendlyName")?;
    check_name::<TaskQueue>(state, request, "TaskQueue", friendly_name, None)?;
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
    Ok(resource::create(state, queue))
}

fn update(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let sid = find::<TaskQueue>(state, request)?.sid;
    if let Some(name) = request.form("FriendlyName") {
        check_name::<TaskQueue>(state, request, "TaskQueue", name, Some(sid))?;
    }
    let now = state.now();
    let queue = find_mut::<TaskQueue>(state, request)?;
    if let Some(name) = request.form("FriendlyName") {
        name.clone_into(&mut queue.friendly_name);
    }
    if let Some(expression) = request.form("TargetWorkers") {
        expression.clone_into(&mut queue.target_workers);
    }
    queue.updated = now;
    fetch::<TaskQueue>(state, request)
}

fn delete(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let sid = find::<TaskQueue>(state, request)?.sid;
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
    resource::delete::<TaskQueue>(state, request)
}
