//! Task queues.

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio::{TaskQueueSid, WorkspaceSid};

use super::error::ApiError;
use super::request::ApiRequest;
use super::resource::{self, Resource, change, check_name, find, kept, shown};
use crate::dates::Dates;
use crate::ordered::Ordered;
use crate::resources::{TaskQueue, is_expression};
use crate::state::State;

impl Resource for TaskQueue {
    kept!(TaskQueueSid, task_queues, "task_queues");

    fn workspace(&self) -> Option<WorkspaceSid> {
        Some(self.workspace_sid)
    }

    fn name(&self) -> Option<&str> {
        Some(&self.friendly_name)
    }

    fn show(&self, state: &State) -> Value {
        let workspace = format!("{}v1/Workspaces/{}", state.base_url, self.workspace_sid);
        let url = format!("{workspace}/TaskQueues/{}", self.sid);
        let others = json!({
            "account_sid": state.account.sid,
            "assignment_activity_sid": null,
            "assignment_activity_name": null,
            "reservation_activity_sid": null,
            "reservation_activity_name": null,
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
        });
        shown(self, others)
    }
}

pub(super) fn create(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let friendly_name = request.required("FriendlyName")?;
    check_name::<TaskQueue>(state, request, "TaskQueue", friendly_name, None)?;
    check_target_workers(request)?;
    let max_reserved_workers = max_reserved_workers(request)?.unwrap_or(1);
    let queue = TaskQueue {
        sid: state.ids.sid(),
        workspace_sid: request.workspace()?,
        friendly_name: friendly_name.to_owned(),
        target_workers: request.form("TargetWorkers").unwrap_or("1==1").to_owned(),
        max_reserved_workers,
        task_order: request.word("TaskOrder")?.unwrap_or_default(),
        dates: Dates::new(state.now()),
    };
    Ok(resource::create(state, queue))
}

fn check_target_workers(request: &ApiRequest) -> Result<(), ApiError> {
    let expression = request.form("TargetWorkers");
    match expression.is_none_or(is_expression) {
        true => Ok(()),
        false => Err(ApiError::invalid("TargetWorkers is not a valid expression")),
    }
}

fn max_reserved_workers(request: &ApiRequest) -> Result<Option<u32>, ApiError> {
    let count = request.parsed("MaxReservedWorkers")?;
    if count.is_some_and(|count| !(1..=50).contains(&count)) {
        let message = "MaxReservedWorkers must be from 1 to 50";
        return Err(ApiError::invalid(message));
    }
    Ok(count)
}

pub(super) fn update(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let sid = find::<TaskQueue>(state, request)?.sid;
    if let Some(name) = request.form("FriendlyName") {
        check_name::<TaskQueue>(state, request, "TaskQueue", name, Some(sid))?;
    }
    check_target_workers(request)?;
    let max_reserved_workers = max_reserved_workers(request)?;
    let task_order = request.word("TaskOrder")?;
    change(state, request, |queue: &mut TaskQueue| {
        request.replace(&mut queue.friendly_name, "FriendlyName");
        request.replace(&mut queue.target_workers, "TargetWorkers");
        queue.max_reserved_workers = max_reserved_workers.unwrap_or(queue.max_reserved_workers);
        queue.task_order = task_order.unwrap_or(queue.task_order);
    })
}

pub(super) fn delete(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
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
