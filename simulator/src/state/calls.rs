//! What callers go through.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use twilio::{CallSid, E164, QueueSid, TaskSid, WorkflowSid};

use super::State;
use super::tasks::Begin;
use crate::config::TaskAfterRedirect;
use crate::dates::Dates;
use crate::journal::{CallerLog, HangUp, Heard};
use crate::ordered::Ordered;
use crate::phone::Conduct;
use crate::resources::{Activity, Call, Task, VoiceQueue};
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

/// The call is over, or there never was one.
#[derive(Debug)]
pub(crate) struct NotInProgress;

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
        self.begin_call(sid, (from, to), place.conduct, false);
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

    /// Somebody calls, or a request calls somebody.
    pub(super) fn begin_call(
        &mut self,
        sid: CallSid,
        (from, to): (E164, E164),
        conduct: Conduct,
        outbound: bool,
    ) {
        let log = CallerLog {
            call: sid,
            task: None,
            entries: Vec::new(),
            callees: Vec::new(),
        };
        self.journal.callers.insert(sid, log);
        let call = Call {
            sid,
            task: None,
            outbound,
            from,
            to,
            activity: match outbound {
                true => Activity::Ringing,
                false => Activity::Instructed,
            },
            conduct,
            run: 0,
            stop: CancellationToken::new(),
            dates: Dates::new(self.now()),
            ended: None,
            end: "completed",
            queue_time: 0,
        };
        self.calls.insert(sid, call);
    }

    /// Ends a call. If it waited in a queue, its task is cancelled.
    pub(crate) fn end_call(&mut self, sid: CallSid, by: HangUp) -> Result<(), NotInProgress> {
        let was = self.leave_activity(sid, Activity::Over)?;
        let now = self.now();
        let Some(call) = self.calls.get_mut(&sid) else {
            return Err(NotInProgress);
        };
        call.ended = Some(now);
        if was == Activity::Ringing && by != HangUp::NotReached {
            call.end = "canceled";
        }
        let task = call.task;
        self.heard(sid, Heard::HungUp { by });
        if let (Activity::Waiting { .. }, Some(task)) = (was, task) {
            self.cancel_if_unassigned(task, "hangup");
        }
        Ok(())
    }

    /// An agent takes a waiting call.
    pub(crate) fn agent_answers(&mut self, sid: CallSid) -> bool {
        let Some(task) = self.task_of_waiting(sid) else {
            return false;
        };
        self.assign_task(task) && self.talks(sid, Heard::AgentAnswered)
    }

    /// Other software gives a waiting call new instructions: the caller talks to it from now on.
    pub(crate) fn take_off_hold(&mut self, sid: CallSid) -> bool {
        let Some(task) = self.task_of_waiting(sid) else {
            return false;
        };
        let left = self.talks(sid, Heard::TakenOffHold);
        self.left_behind(task);
        left
    }

    fn task_of_waiting(&self, sid: CallSid) -> Option<TaskSid> {
        let call = self.calls.get(&sid)?;
        call.task.filter(|_| call.is_waiting())
    }

    fn talks(&mut self, sid: CallSid, heard: Heard) -> bool {
        let left = self.leave_activity(sid, Activity::Talking).is_ok();
        self.heard(sid, heard);
        left
    }

    /// A call left the voice queue without an agent; Twilio may cancel its task.
    pub(super) fn left_behind(&mut self, task: TaskSid) {
        if self.config.task_after_redirect == TaskAfterRedirect::Canceled {
            self.cancel_if_unassigned(task, "redirected");
        }
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
        if let Some(old) = old {
            self.complete_if_assigned(old);
        }
        self.enqueue(sid, workflow, task);
        Some(task_sid)
    }

    /// Puts a call into the workflow's voice queue, and starts its task on the workflow.
    pub(super) fn enqueue(&mut self, sid: CallSid, workflow: WorkflowSid, task: Task) {
        let (since, queue) = (self.now(), self.voice_queue(workflow));
        let _ = self.leave_activity(sid, Activity::Waiting { queue, since });
        if let Some(call) = self.calls.get_mut(&sid) {
            call.task = Some(task.sid);
        }
        if let Some(log) = self.journal.callers.get_mut(&sid) {
            log.task.get_or_insert(task.sid);
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

    /// Sets what a call does, and ends what it does now; returns what that was.
    pub(super) fn leave_activity(
        &mut self,
        sid: CallSid,
        next: Activity,
    ) -> Result<Activity, NotInProgress> {
        let now = self.now();
        let call = self.calls.get_mut(&sid).ok_or(NotInProgress)?;
        if call.activity == Activity::Over {
            return Err(NotInProgress);
        }
        let was = std::mem::replace(&mut call.activity, next);
        call.dates.updated = now;
        call.run += 1;
        std::mem::take(&mut call.stop).cancel();
        if let Activity::Waiting { queue, since } = was {
            call.queue_time += seconds_between(since, now);
            if let Some(queue) = self.voice_queues.get_mut(&queue) {
                queue.members.remove(&sid);
            }
        }
        self.leave_callees(sid);
        Ok(was)
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

    /// How long ago a call's task entered the task queue that it is in.
    pub(super) fn since_entered(&self, call: CallSid) -> Option<Duration> {
        let task = self.tasks.get(&self.task_of(&call)?)?;
        Some(self.elapsed().saturating_sub(task.entered_at))
    }
}

pub(crate) fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()).max(0)
}

/// A voice task's attributes, as in Flex.
pub(super) fn attributes(call: CallSid, from: &E164, to: &E164) -> Value {
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
