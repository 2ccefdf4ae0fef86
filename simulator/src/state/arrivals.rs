//! How callers come into a workflow, and what else does.

use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use twilio::{CallSid, E164, QueueSid, TaskSid, WorkflowSid};

use super::State;
use super::tasks::{Begin, OtherTask};
use crate::dates::Dates;
use crate::events::EventKind;
use crate::journal::{CallerLog, HangUp, Heard};
use crate::ordered::Ordered;
use crate::phone::Conduct;
use crate::resources::{Activity, Call, Task, TaskStatus, VoiceQueue};
use crate::story::Story;

/// A call to be placed.
#[derive(Debug, Clone, Default)]
pub struct PlaceCall {
    /// The caller's number; `None` makes one up.
    pub from: Option<E164>,
    /// The number called; `None` makes one up.
    pub to: Option<E164>,
    /// The workflow that routes the call; `None` for the demonstration's.
    pub workflow: Option<WorkflowSid>,
    /// Where the call's task begins.
    pub begin: Begin,
    /// What the caller does.
    pub conduct: Conduct,
    /// Whether the events of the call's task are not sent, because the test sends them.
    pub withhold_events: bool,
}

/// Somebody who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Caller {
    /// Their call.
    pub call_sid: CallSid,
    /// The task that stands for it.
    pub task_sid: TaskSid,
}

impl PlaceCall {
    /// A call whose task enters the placeholder queue at once.
    pub fn into_placeholder() -> Self {
        Self {
            begin: Begin::LastStep,
            ..Self::default()
        }
    }

    /// Leaves it to the test to send the events of the call's task.
    #[must_use]
    pub fn withholding_events(self) -> Self {
        Self {
            withhold_events: true,
            ..self
        }
    }
}

/// Why a call can't be placed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceCallError {
    /// There is no such workflow.
    #[error("there is no workflow {0}")]
    NoWorkflow(WorkflowSid),
    /// The workflow takes no such task.
    #[error("no filter of workflow {0} matches the call, and it has no default filter")]
    NoRoute(WorkflowSid),
    /// The account has no such number.
    #[error("the account has no number {}", .0.as_str())]
    NoNumber(E164),
    /// The number leads to no flow that sends calls to Flex.
    #[error("number {} leads to no published Studio flow with a Send to Flex", .0.as_str())]
    NoFlow(E164),
}

impl State {
    /// A caller calls, is put into the workflow's voice queue, and a task stands for them.
    pub(crate) fn place_call(&mut self, place: PlaceCall) -> Result<Caller, PlaceCallError> {
        let workflow = place.workflow.unwrap_or(self.demo.workflow);
        if self.workflows.get(&workflow).is_none() {
            return Err(PlaceCallError::NoWorkflow(workflow));
        }
        let from = place.from.unwrap_or_else(|| self.ids.number());
        let to = place.to.unwrap_or_else(|| self.ids.number());
        let sid = self.ids.sid();
        let mut task = self
            .new_task(workflow, &attributes(sid, &from, &to), place.begin)
            .ok_or(PlaceCallError::NoRoute(workflow))?;
        task.withhold_events = place.withhold_events;
        let task_sid = task.sid;
        let call = Call {
            sid,
            task: task_sid,
            from,
            to,
            activity: Activity::Instructed,
            conduct: place.conduct,
            run: 0,
            stop: CancellationToken::new(),
            dates: Dates::new(self.now()),
            ended: None,
            queue_time: 0,
        };
        self.calls.insert(sid, call);
        let log = CallerLog {
            call: sid,
            task: task_sid,
            entries: Vec::new(),
            callees: Vec::new(),
        };
        self.journal.callers.insert(sid, log);
        self.enqueue(sid, workflow, task);
        if let Some(patience) = place.conduct.patience {
            self.later(self.config.speed.shorten(patience), move |state| {
                let _ = state.end_call(sid, HangUp::Caller);
            });
        }
        Ok(Caller {
            call_sid: sid,
            task_sid,
        })
    }

    /// A caller in a conversation goes back to the workflow's queue, with a new task.
    pub(crate) fn enqueue_again(&mut self, sid: CallSid, begin: Begin) -> Option<TaskSid> {
        let call = self.calls.get(&sid)?;
        let (from, to, old) = (call.from, call.to, call.task);
        if call.activity != Activity::Talking {
            return None;
        }
        let workflow = self.demo.workflow;
        let task = self.new_task(workflow, &attributes(sid, &from, &to), begin)?;
        let task_sid = task.sid;
        self.complete_if_assigned(old);
        self.enqueue(sid, workflow, task);
        Some(task_sid)
    }

    /// Puts a call into the workflow's voice queue, and starts its task on the workflow.
    fn enqueue(&mut self, sid: CallSid, workflow: WorkflowSid, task: Task) {
        let (since, queue) = (self.now(), self.voice_queue(workflow));
        let _ = self.leave_activity(sid, Activity::Waiting { queue, since });
        if let Some(call) = self.calls.get_mut(&sid) {
            call.task = task.sid;
        }
        if let Some(queue) = self.voice_queues.get_mut(&queue) {
            queue.members.insert(sid, since);
        }
        self.heard(sid, Heard::HoldMusic);
        self.tell(Story::CallPlaced {
            call: sid,
            task: task.sid,
        });
        self.route_task(task);
    }

    /// A task that doesn't stand for a waiting caller enters the placeholder queue.
    pub(crate) fn place_other_task(&mut self, other: OtherTask) -> Option<TaskSid> {
        let (call, mark) = match other {
            OtherTask::Chat => (None, Some(("channelType", json!("web")))),
            OtherTask::Conference(call) => {
                let sid = format!("CF{}", &call.as_str()[2..]);
                (Some(call), Some(("conference", json!({ "sid": sid }))))
            }
            OtherTask::Transfer(call) => {
                let mark = json!({ "transferStatus": "transferring", "mode": "COLD" });
                (Some(call), Some(("transferMeta", mark)))
            }
            OtherTask::Consultation(call) => (Some(call), None),
        };
        let mut attributes = match call {
            Some(call) => {
                let Call { from, to, .. } = self.calls.get(&call)?;
                attributes(call, from, to)
            }
            None => json!({}),
        };
        if let Some((name, value)) = mark {
            attributes[name] = value;
        }
        let mut task = self.new_task(self.demo.workflow, &attributes, Begin::LastStep)?;
        let sid = task.sid;
        let taken = matches!(other, OtherTask::Consultation(_));
        if taken {
            task.status = TaskStatus::Reserved;
        }
        self.route_task(task);
        if taken {
            self.emit(EventKind::ReservationCreated, sid);
            self.assign_task(sid);
        }
        Some(sid)
    }

    /// The voice queue of a workflow, which Twilio creates with its first call.
    fn voice_queue(&mut self, workflow: WorkflowSid) -> QueueSid {
        let is_its = |queue: &&VoiceQueue| queue.workflow == workflow;
        if let Some(known) = self.voice_queues.values().find(is_its) {
            return known.sid;
        }
        let queue = VoiceQueue {
            sid: self.ids.sid(),
            workflow,
            members: Ordered::default(),
            dates: Dates::new(self.now()),
        };
        let sid = queue.sid;
        self.voice_queues.insert(sid, queue);
        sid
    }
}

/// A voice task's attributes, as in Flex.
fn attributes(call: CallSid, from: &E164, to: &E164) -> Value {
    json!({
        "from_country": "US",
        "called": to.as_str(),
        "to_country": "US",
        "call_sid": call,
        "from": from.as_str(),
        "to": to.as_str(),
        "direction": "inbound",
        "name": from.as_str(),
    })
}
