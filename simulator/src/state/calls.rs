//! What callers go through.

use std::time::Duration;

use jiff::Timestamp;
use twilio::{CallSid, TaskSid};

use super::State;
use crate::config::TaskAfterRedirect;
use crate::journal::{HangUp, Heard};
use crate::resources::Activity;

/// The call is over, or there never was one.
#[derive(Debug)]
pub(crate) struct NotInProgress;

impl State {
    /// Ends a call. If it waited in a queue, its task is cancelled.
    pub(crate) fn end_call(&mut self, sid: CallSid, by: HangUp) -> Result<(), NotInProgress> {
        let was = self.leave_activity(sid, Activity::Over)?;
        let now = self.now();
        let Some(call) = self.calls.get_mut(&sid) else {
            return Err(NotInProgress);
        };
        call.ended = Some(now);
        let task = call.task;
        self.heard(sid, Heard::HungUp { by });
        if matches!(was, Activity::Waiting { .. }) {
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
        call.is_waiting().then_some(call.task)
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

    /// How long ago a call's task entered the task queue that it is in.
    pub(super) fn since_entered(&self, call: CallSid) -> Option<Duration> {
        let task = self.tasks.get(&self.calls.get(&call)?.task)?;
        Some(self.elapsed().saturating_sub(task.entered_at))
    }
}

pub(crate) fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()).max(0)
}
