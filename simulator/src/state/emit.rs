//! Events and their parameters.

use std::sync::Arc;

use serde_json::json;
use twilio::{CallSid, EventSid, TaskSid, WorkspaceSid};

use super::{Begin, Effect, State};
use crate::events::{Event, EventKind, Transport, Webhook};
use crate::resources::{Task, TaskStatus};

impl State {
    /// Makes an event of a task and, unless the task's events are withheld, sends it.
    pub(super) fn emit(&mut self, kind: EventKind, task: TaskSid) -> Option<Arc<Event>> {
        let sid = self.ids.sid();
        let task = self.tasks.get(&task)?;
        let event = Arc::new(self.task_event(sid, kind, task)?);
        if task.withhold_events {
            return Some(event);
        }
        let workspace = task.workspace;
        self.deliver(&event, workspace);
        Some(event)
    }

    /// The worker to whom the task was offered is put into the workspace's timeout activity.
    pub(super) fn emit_timeout_activity(&mut self, task: TaskSid) {
        let sid = self.ids.sid();
        let Some((workspace, withheld)) = self.tasks.get(&task).map(|task| {
            let withheld = task.withhold_events;
            (task.workspace, withheld)
        }) else {
            return;
        };
        let Some(activity) = self.workspaces.get(&workspace) else {
            return;
        };
        let worker = task.as_str().replacen(TaskSid::PREFIX, "WK", 1);
        let change = ("Available", activity.timeout_activity_name.clone());
        if let Some(event) = self.worker_event(sid, workspace, worker, change)
            && !withheld
        {
            self.deliver(&Arc::new(event), workspace);
        }
    }

    /// Sends an event to whoever is to get it.
    fn deliver(&mut self, event: &Arc<Event>, workspace: WorkspaceSid) {
        let kind = event.kind;
        let Some(workspace) = self.workspaces.get(&workspace) else {
            return;
        };
        let callback = Some(workspace.event_callback_url.as_str())
            .filter(|url| !url.is_empty() && workspace.wants(kind))
            .map(|url| (Transport::EventCallback, url));
        let stream = self
            .event_stream
            .as_ref()
            .filter(|stream| stream.kinds.contains(&kind))
            .map(|stream| (Transport::EventStream, stream.url.as_str()));
        let subscribed = self
            .subscriptions
            .values()
            .filter(|subscription| subscription.kinds.contains(&kind))
            .filter_map(|subscription| self.sinks.get(&subscription.sink_sid))
            .filter_map(|sink| sink.destination().filter(|_| !sink.has_failed))
            .map(|url| (Transport::EventStream, url));
        let sent = callback
            .into_iter()
            .chain(stream)
            .chain(subscribed)
            .map(|(transport, url)| Webhook::new(event.clone(), transport, url))
            .map(Effect::Send);
        self.effects.extend(sent);
    }

    /// An event of a task as it is now.
    pub(crate) fn task_event(&self, sid: EventSid, kind: EventKind, task: &Task) -> Option<Event> {
        let mut event = self.event(sid, kind, task.workspace)?;
        event.call = task.call;
        event.task = Some(task.sid);
        let queue_name = self.task_queue_name(task.target().queue);
        let target_workers = self
            .task_queues
            .get(&task.target().queue)
            .map_or("", |queue| &queue.target_workers);
        event.params.extend([
            ("ResourceType", "task".into()),
            ("ResourceSid", task.sid.to_string()),
            ("EventDescription", describe(kind, task, queue_name)),
            ("TaskSid", task.sid.to_string()),
            ("TaskAttributes", task.attributes.clone()),
            ("TaskAge", task.age(event.at).to_string()),
            ("TaskPriority", task.priority.to_string()),
            ("TaskAssignmentStatus", task.status.as_str().into()),
            ("TaskVersion", task.version.to_string()),
            (
                "TaskDateCreated",
                task.dates.created.as_second().to_string(),
            ),
            ("TaskChannelSid", self.demo.voice_channel.to_string()),
            ("TaskChannelUniqueName", "voice".into()),
            ("TaskQueueSid", task.target().queue.to_string()),
            ("TaskQueueName", queue_name.into()),
            ("TaskQueueTargetExpression", target_workers.into()),
            ("TaskQueueEnteredDate", task.entered.as_second().to_string()),
            ("WorkflowSid", task.workflow.to_string()),
            ("WorkflowName", self.workflow_name(task.workflow).into()),
        ]);
        if let Some(reason) = &task.reason {
            let documented = match task.status {
                TaskStatus::Completed => "TaskCompletedReason",
                _ => "TaskCanceledReason",
            };
            let params = [(documented, reason.clone()), ("Reason", reason.clone())];
            event.params.extend(params);
        }
        Some(event)
    }

    /// An event about a worker, not about a task: their activity before, and now.
    fn worker_event(
        &self,
        sid: EventSid,
        workspace: WorkspaceSid,
        worker: String,
        (before, now): (&str, String),
    ) -> Option<Event> {
        let mut event = self.event(sid, EventKind::WorkerActivityUpdate, workspace)?;
        event.params.extend([
            ("ResourceType", "worker".into()),
            ("ResourceSid", worker.clone()),
            (
                "EventDescription",
                format!("Worker {worker} updated to {now} Activity"),
            ),
            ("WorkerSid", worker),
            ("WorkerName", "someone".into()),
            (
                "WorkerAttributes",
                r#"{"contact_uri":"client:someone","roles":["agent"]}"#.into(),
            ),
            ("WorkerActivityName", now),
            ("WorkerPreviousActivityName", before.into()),
        ]);
        Some(event)
    }

    /// An event that means no stranded caller; its kind depends on `index`.
    pub(crate) fn irrelevant_event(&mut self, index: usize) -> Option<Event> {
        let (kind, begin, with_call) = match index % 8 {
            0 => {
                let (sid, worker) = (self.ids.sid(), self.ids.text("WK"));
                let change = ("Offline", "Available".to_owned());
                return self.worker_event(sid, self.demo.workspace, worker, change);
            }
            1 => (EventKind::TaskCreated, Begin::LastStep, true),
            2 => (EventKind::WorkflowEntered, Begin::FirstStep, true),
            3 => (EventKind::TaskQueueEntered, Begin::FirstStep, true),
            4 => (EventKind::TaskQueueEntered, Begin::LastStep, false),
            5 => (EventKind::ReservationCreated, Begin::FirstStep, true),
            6 => (EventKind::WorkflowTargetMatched, Begin::LastStep, true),
            _ => (EventKind::TaskUpdated, Begin::LastStep, true),
        };
        let attributes = match with_call {
            true => json!({ "call_sid": self.ids.sid::<CallSid>(), "direction": "inbound" }),
            false => json!({ "channelType": "web", "customerName": "somebody" }),
        };
        let task = self.new_task(self.demo.workflow, &attributes, begin)?;
        let sid = self.ids.sid();
        self.task_event(sid, kind, &task)
    }

    /// Where the demonstration's workspace sends its events; empty if nowhere.
    pub(crate) fn callback_url(&self) -> String {
        self.workspaces
            .get(&self.demo.workspace)
            .map(|workspace| workspace.event_callback_url.clone())
            .unwrap_or_default()
    }

    /// What every event has, as it is now.
    fn event(&self, sid: EventSid, kind: EventKind, workspace: WorkspaceSid) -> Option<Event> {
        let (at, workspace) = (self.now(), self.workspaces.get(&workspace)?);
        let mut params = Vec::with_capacity(32);
        params.extend([
            ("EventType", kind.as_str().into()),
            ("Sid", sid.to_string()),
            ("AccountSid", self.account.sid.to_string()),
            ("WorkspaceSid", workspace.sid.to_string()),
            ("WorkspaceName", workspace.friendly_name.clone()),
            ("OperatingUnitSid", workspace.operating_unit.clone()),
            ("Timestamp", at.as_second().to_string()),
            ("TimestampMs", at.as_millisecond().to_string()),
        ]);
        Some(Event {
            sid,
            kind,
            at,
            call: None,
            task: None,
            params,
        })
    }
}

fn describe(kind: EventKind, task: &Task, queue_name: &str) -> String {
    let sid = task.sid;
    match kind {
        EventKind::TaskQueueEntered => format!("Task {sid} entered TaskQueue {queue_name}"),
        EventKind::TaskQueueTimeout => format!("Task {sid} timed out of TaskQueue {queue_name}"),
        EventKind::WorkflowEntered => format!("Task {sid} entered Workflow"),
        EventKind::WorkflowTimeout => format!("Task {sid} timed out of Workflow"),
        other => format!("Task {sid}: {}", other.as_str()),
    }
}
