//! How a task passes through its workflow.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use twilio::{TaskSid, WorkflowSid};

use super::State;
use crate::dates::Dates;
use crate::events::EventKind;
use crate::resources::{Task, TaskStatus, Workflow};
use crate::story::Story;

/// Where a new task begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    /// At the first target of its workflow.
    #[default]
    FirstStep,
    /// At the last: in the placeholder queue, as if nobody had taken it before.
    LastStep,
}

/// How a worker turns a task down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnDown {
    /// By rejecting the offer.
    Rejected,
    /// By ignoring the offer until it expires.
    Ignored,
}

impl State {
    /// A task that is not in the workflow yet; [`State::route_task`] comes next. `None` if there is no
    /// such workflow, or none of its filters takes the task. The attributes are a JSON object.
    pub(crate) fn new_task(
        &mut self,
        workflow: WorkflowSid,
        attributes: &Value,
        begin: Begin,
    ) -> Option<Task> {
        let Workflow {
            workspace_sid,
            routing,
            ..
        } = self.workflows.get(&workflow)?;
        let workspace = *workspace_sid;
        let route = routing.route(attributes)?;
        let step = match begin {
            Begin::FirstStep => 0,
            Begin::LastStep => route.len() - 1,
        };
        let sid = self.ids.sid();
        let now = self.now();
        let call = attributes["call_sid"].as_str();
        Some(Task {
            sid,
            workspace,
            workflow,
            call: call.and_then(|call| call.parse().ok()),
            attributes: attributes.to_string(),
            status: TaskStatus::Pending,
            reason: None,
            priority: 0,
            dates: Dates::new(now),
            ttl: self.config.task_ttl,
            version: 0,
            route,
            step,
            offers: 0,
            overdue: false,
            entered: now,
            entered_at: self.elapsed(),
            entered_event: None,
            withhold_events: false,
        })
    }

    /// Adds a new task and starts it on its workflow.
    pub(crate) fn route_task(&mut self, task: Task) {
        let (sid, step, ttl) = (task.sid, task.step, task.ttl);
        self.tasks.insert(sid, task);
        self.later(ttl, move |state| {
            state.task_expired(sid);
        });
        self.emit(EventKind::WorkflowEntered, sid);
        self.enter_step(sid, step);
        self.emit(EventKind::TaskCreated, sid);
    }

    /// The tasks of a workflow that wait start again, by its configuration as it is now.
    pub(crate) fn reevaluate_tasks(&mut self, workflow: WorkflowSid) {
        let Some(routing) = self.workflows.get(&workflow).map(|w| w.routing.clone()) else {
            return;
        };
        let waiting = self.tasks.values();
        let waiting: Vec<_> = waiting
            .filter(|task| task.workflow == workflow && task.status == TaskStatus::Pending)
            .filter_map(|task| {
                let attributes = serde_json::from_str(&task.attributes).ok()?;
                Some((task.sid, routing.route(&attributes)?))
            })
            .collect();
        for (sid, route) in waiting {
            if let Some(task) = self.tasks.get_mut(&sid) {
                task.route = route;
            }
            self.enter_step(sid, 0);
        }
    }

    fn enter_step(&mut self, sid: TaskSid, step: usize) {
        let (now, at) = (self.now(), self.elapsed());
        let Some(task) = self.tasks.get_mut(&sid) else {
            return;
        };
        task.step = step;
        task.overdue = false;
        task.entered = now;
        task.entered_at = at;
        task.version += 1;
        if let Some(priority) = task.target().priority {
            task.priority = priority;
        }
        let (call, target) = (task.call, task.target().clone());
        let event = self.emit(EventKind::TaskQueueEntered, sid);
        if let Some(task) = self.tasks.get_mut(&sid) {
            task.entered_event = event;
        }
        let timeout = target.timeout.map(|real| self.config.speed.shorten(real));
        self.tell(Story::QueueEntered {
            task: sid,
            call,
            queue: target.queue,
            step,
            name: self.task_queue_name(target.queue).to_owned(),
            timeout,
        });
        if let Some(after) = timeout {
            self.later(after, move |state| state.step_timed_out(sid, step));
        }
    }

    /// A task's time in a step ends.
    pub(crate) fn step_timed_out(&mut self, sid: TaskSid, step: usize) {
        let Some(task) = self.tasks.get_mut(&sid) else {
            return;
        };
        if task.status == TaskStatus::Reserved && task.step == step {
            task.overdue = true;
        }
        if task.status != TaskStatus::Pending || task.step != step {
            return;
        }
        let last = task.step + 1 == task.route.len();
        self.emit(EventKind::TaskQueueTimeout, sid);
        if last {
            self.emit(EventKind::WorkflowTimeout, sid);
            self.end_task(
                sid,
                TaskStatus::Canceled,
                Some("Task canceled on Workflow timeout"),
            );
        } else {
            self.enter_step(sid, step + 1);
        }
    }

    /// A task's time to live ends. Its call waits on.
    pub(crate) fn task_expired(&mut self, sid: TaskSid) -> bool {
        self.cancel_if_unassigned(sid, "Task TTL Exceeded")
    }

    /// The task is offered to a worker, for as long as its workflow's reservations last.
    pub(crate) fn offer_task(&mut self, sid: TaskSid) -> bool {
        if !self.reserve(sid) {
            return false;
        }
        let task = self.tasks.get_mut(&sid).map(|task| {
            task.offers += 1;
            (task.workflow, task.offers)
        });
        if let Some((workflow, offer)) = task
            && let Some(workflow) = self.workflows.get(&workflow)
        {
            let real = Duration::from_secs(workflow.task_reservation_timeout.into());
            let is_same = move |task: &Task| task.offers == offer;
            self.later(self.config.speed.shorten(real), move |state| {
                if state.tasks.get(&sid).is_some_and(is_same) {
                    state.turn_down_task(sid, TurnDown::Ignored);
                }
            });
        }
        true
    }

    fn reserve(&mut self, sid: TaskSid) -> bool {
        let (from, to) = (TaskStatus::Pending, TaskStatus::Reserved);
        self.advance(sid, from, to, EventKind::ReservationCreated)
    }

    /// Changes a task's status if it is `from`; returns whether it was.
    fn advance(&mut self, sid: TaskSid, from: TaskStatus, to: TaskStatus, told: EventKind) -> bool {
        let is_there = self.task_is(sid, |status| status == from);
        if is_there {
            self.set_status(sid, to);
            self.emit(told, sid);
        }
        is_there
    }

    /// The worker doesn't take the task: it waits on, or goes to the next step if its time has ended
    /// meanwhile. A worker who ignores it is put into the workspace's timeout activity.
    pub(crate) fn turn_down_task(&mut self, sid: TaskSid, how: TurnDown) -> bool {
        let told = match how {
            TurnDown::Rejected => EventKind::ReservationRejected,
            TurnDown::Ignored => EventKind::ReservationTimeout,
        };
        let turned_down = self.advance(sid, TaskStatus::Reserved, TaskStatus::Pending, told);
        if turned_down && how == TurnDown::Ignored {
            self.emit_timeout_activity(sid);
        }
        let overdue = self
            .tasks
            .get(&sid)
            .filter(|task| turned_down && task.overdue);
        if let Some(step) = overdue.map(|task| task.step) {
            self.step_timed_out(sid, step);
        }
        turned_down
    }

    /// A worker takes the task.
    pub(super) fn assign_task(&mut self, sid: TaskSid) -> bool {
        self.reserve(sid);
        let (from, to) = (TaskStatus::Reserved, TaskStatus::Assigned);
        self.advance(sid, from, to, EventKind::ReservationAccepted)
    }

    /// A worker is done with the task.
    pub(super) fn complete_if_assigned(&mut self, sid: TaskSid) {
        if self.task_is(sid, |status| status == TaskStatus::Assigned) {
            self.end_task(sid, TaskStatus::Completed, None);
        }
    }

    pub(super) fn cancel_if_unassigned(&mut self, sid: TaskSid, reason: &str) -> bool {
        let unassigned = self.task_is(sid, TaskStatus::is_unassigned);
        if unassigned {
            self.end_task(sid, TaskStatus::Canceled, Some(reason));
        }
        unassigned
    }

    fn task_is(&self, sid: TaskSid, is: impl Fn(TaskStatus) -> bool) -> bool {
        self.tasks.get(&sid).is_some_and(|task| is(task.status))
    }

    /// A task is gone. Its call waits on.
    pub(crate) fn delete_task(&mut self, sid: TaskSid) {
        self.emit(EventKind::TaskDeleted, sid);
        self.tasks.remove(&sid);
    }

    pub(super) fn end_task(&mut self, sid: TaskSid, status: TaskStatus, reason: Option<&str>) {
        self.set_status(sid, status);
        let Some(task) = self.tasks.get_mut(&sid) else {
            return;
        };
        task.reason = reason.map(str::to_owned);
        let call = task.call;
        self.emit(
            match status {
                TaskStatus::Completed => EventKind::TaskCompleted,
                _ => EventKind::TaskCanceled,
            },
            sid,
        );
        self.tell(Story::TaskClosed {
            task: sid,
            call,
            status,
            reason: reason.map(str::to_owned),
        });
        self.later(self.config.task_retention, move |state| {
            state.tasks.remove(&sid);
        });
    }

    pub(super) fn set_status(&mut self, sid: TaskSid, status: TaskStatus) {
        let now = self.now();
        if let Some(task) = self.tasks.get_mut(&sid) {
            task.status = status;
            task.version += 1;
            task.dates.updated = now;
        }
    }
}
