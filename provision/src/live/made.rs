//! What is made at Twilio for the calls, and removed after them: a task queue that matches nobody and a
//! workflow that leads there. They are known by their name, so that an answer that was lost, or a run
//! that was killed, leaves none behind for good.

use serde_json::json;
use twilio::rest::TaskQueueDraft;
use twilio::{WorkflowSid, WorkspaceSid};

use crate::api::Api;
use crate::error::{Doing, Result};

/// The name of both.
pub(super) const NAME: &str = "Flex Overflow verify-live";

/// Makes them.
pub(super) async fn make(api: &Api, workspace: &WorkspaceSid) -> Result<WorkflowSid> {
    remove(api, workspace).await?;
    let draft = TaskQueueDraft {
        friendly_name: NAME,
        target_workers: "1==2",
    };
    let queue = api.client.create_task_queue(workspace, &draft).await;
    let queue = queue.doing("create a task queue")?.sid;
    let routing =
        json!({ "task_routing": { "filters": [], "default_filter": { "queue": queue } } });
    let routing = routing.to_string();
    let workflow = api.client.create_workflow(workspace, NAME, &routing);
    Ok(workflow.await.doing("create a workflow")?.sid)
}

/// Removes all that has the name, and the tasks in it.
pub(super) async fn remove(api: &Api, workspace: &WorkspaceSid) -> Result<()> {
    let client = &api.client;
    let workflows = client.workflows(workspace).await;
    for workflow in workflows.doing("list the workflows")? {
        if workflow.friendly_name != NAME {
            continue;
        }
        let tasks = client.waiting_tasks(workspace, &workflow.sid).await;
        for task in tasks.doing("list the tasks")?.items {
            let canceled = client.cancel_task(workspace, &task.sid, "verify-live has ended");
            canceled.await.doing("cancel a task")?;
        }
        let deleted = client.delete_workflow(workspace, &workflow.sid).await;
        deleted.doing("delete the workflow")?;
    }
    let queues = client.task_queues(workspace).await;
    for queue in queues.doing("list the task queues")? {
        if queue.friendly_name == NAME {
            let deleted = client.delete_task_queue(workspace, &queue.sid).await;
            deleted.doing("delete the task queue")?;
        }
    }
    Ok(())
}
