//! What callers go through.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use twilio::{CallSid, E164, QueueSid, TaskSid, WorkflowSid};

use super::tasks::{Begin, NewTask, OtherTask};
use super::{Effect, FetchTwiml, State, TwimlMethod};
use crate::config::TaskAfterRedirect;
use crate::journal::{Dial, DialOutcome, HangUp, Heard, Instructions};
use crate::ordered::Ordered;
use crate::resources::{Activity, Call, CallStatus, LARGEST_QUEUE, VoiceQueue};
use crate::story::Story;
use crate::twiml::{Document, InvalidTwiml, Verb};

/// A call to be placed.
pub(crate) struct PlacedCall {
    pub(crate) from: Option<E164>,
    pub(crate) to: Option<E164>,
    pub(crate) workflow: WorkflowSid,
    pub(crate) begin: Begin,
    pub(crate) withhold_events: bool,
}

/// Why a call can't be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceCallError {
    /// There is no such workflow.
    #[error("there is no workflow {0}")]
    NoWorkflow(WorkflowSid),
    /// The workflow takes no such task.
    #[error("no filter of workflow {0} matches the call, and it has no default filter")]
    NoRoute(WorkflowSid),
}

/// New instructions for a call.
pub(crate) enum Redirect {
    Twiml(String),
    Url { url: String, method: TwimlMethod },
}

/// The call is over, or there never was one.
#[derive(Debug)]
pub(crate) struct NotInProgress;

impl State {
    /// A caller calls, is put into the workflow's voice queue, and a task stands for them.
    pub(crate) fn place_call(
        &mut self,
        place: PlacedCall,
    ) -> Result<(CallSid, TaskSid), PlaceCallError> {
        if self.workflows.get(&place.workflow).is_none() {
            return Err(PlaceCallError::NoWorkflow(place.workflow));
        }
        let from = place.from.unwrap_or_else(|| self.ids.number());
        let to = place.to.unwrap_or_else(|| self.ids.number());
        let sid = self.ids.call();
        let task = self
            .create_task(NewTask {
                workflow: place.workflow,
                attributes: attributes(sid, &from, &to),
                call: Some(sid),
                begin: place.begin,
                withhold_events: place.withhold_events,
                priority: 0,
                ttl: None,
            })
            .ok_or(PlaceCallError::NoRoute(place.workflow))?;
        let now = self.now();
        let queue = self.voice_queue(place.workflow);
        let call = Call {
            sid,
            task,
            from,
            to,
            status: CallStatus::InProgress,
            activity: Activity::Waiting { queue, since: now },
            run: 0,
            started: now,
            updated: now,
            ended: None,
            queue_time: 0,
        };
        self.calls.insert(sid, call);
        if let Some(queue) = self.voice_queues.get_mut(&queue) {
            queue.members.insert(sid, now);
        }
        self.open_log(sid, task);
        self.heard(sid, Heard::HoldMusic);
        self.tell(Story::CallPlaced { call: sid, task });
        self.route_task(task);
        Ok((sid, task))
    }

    /// Gives a call new instructions, whatever it does now.
    pub(crate) fn redirect(
        &mut self,
        sid: CallSid,
        request_id: &str,
        redirect: Redirect,
    ) -> Result<(), NotInProgress> {
        let was = self.leave_activity(sid, Activity::Fetching)?;
        if was == Activity::Talking {
            let request_id = request_id.to_owned();
            self.heard(sid, Heard::ConversationCut { request_id });
            self.tell(Story::ConversationCut { call: sid });
        }
        let instructions = match &redirect {
            Redirect::Twiml(_) => Instructions::Twiml,
            Redirect::Url { url, .. } => Instructions::Url(url.clone()),
        };
        self.heard(
            sid,
            Heard::Redirected {
                request_id: request_id.to_owned(),
                instructions,
            },
        );
        let after = self.since_entered(sid);
        self.tell(Story::CallRedirected {
            call: sid,
            request_id: request_id.to_owned(),
            after,
        });
        let left_queue = matches!(was, Activity::Waiting { .. });
        if left_queue
            && self.config.task_after_redirect == TaskAfterRedirect::Canceled
            && let Some(task) = self.calls.get(&sid).map(|call| call.task)
        {
            self.cancel_if_unassigned(task, "redirected");
        }
        let Some(call) = self.calls.get_mut(&sid) else {
            return Ok(());
        };
        call.run += 1;
        let run = call.run;
        match redirect {
            Redirect::Twiml(text) => self.instruct(sid, run, Document::parse(&text)),
            Redirect::Url { url, method } => self.effects.push(Effect::FetchTwiml(FetchTwiml {
                call: sid,
                run,
                url,
                method,
            })),
        }
        Ok(())
    }

    /// Carries out the instructions of a call's `run`, unless newer ones have come.
    pub(crate) fn instruct(
        &mut self,
        sid: CallSid,
        run: u64,
        document: Result<Document, InvalidTwiml>,
    ) {
        let current = self
            .calls
            .get(&sid)
            .is_some_and(|call| call.run == run && call.activity == Activity::Fetching);
        if !current {
            return;
        }
        let document = match document {
            Ok(document) => document,
            Err(invalid) => {
                let problem = invalid.to_string();
                self.tell(Story::ApplicationError {
                    call: sid,
                    problem: problem.clone(),
                });
                self.heard(sid, Heard::ApplicationError { problem });
                let _ = self.end_call(sid, HangUp::ApplicationError);
                return;
            }
        };
        for verb in document.verbs {
            match verb {
                Verb::Say(text) => self.heard(sid, Heard::Said { text }),
                Verb::Pause => {}
                Verb::Hangup => break,
                Verb::Dial(dial) => {
                    if self.dial(sid, dial) == DialOutcome::Answered {
                        return;
                    }
                }
            }
        }
        let _ = self.end_call(sid, HangUp::Twiml);
    }

    fn dial(&mut self, sid: CallSid, mut dial: Dial) -> DialOutcome {
        let outcomes = dial
            .numbers
            .iter()
            .map(|number| self.dial_outcomes.get(number).copied().unwrap_or_default());
        // One that answers is enough; else the last one's word counts.
        dial.outcome = outcomes
            .reduce(|best, next| match best {
                DialOutcome::Answered => best,
                _ => next,
            })
            .unwrap_or(DialOutcome::Failed);
        let outcome = dial.outcome;
        let after = self.since_entered(sid);
        self.tell(Story::Dialled {
            call: sid,
            numbers: dial.numbers.clone(),
            after,
        });
        self.heard(sid, Heard::Dialled(dial));
        if outcome == DialOutcome::Answered
            && let Some(call) = self.calls.get_mut(&sid)
        {
            call.activity = Activity::Talking;
        }
        outcome
    }

    /// Ends a call. If it waited in a queue, its task is cancelled.
    pub(crate) fn end_call(&mut self, sid: CallSid, by: HangUp) -> Result<(), NotInProgress> {
        let was = self.leave_activity(sid, Activity::Over)?;
        let now = self.now();
        let Some(call) = self.calls.get_mut(&sid) else {
            return Err(NotInProgress);
        };
        call.status = CallStatus::Completed;
        call.ended = Some(now);
        let task = call.task;
        self.heard(sid, Heard::HungUp { by });
        self.tell(Story::HungUp { call: sid, by });
        if matches!(was, Activity::Waiting { .. }) {
            self.cancel_if_unassigned(task, "hangup");
        }
        Ok(())
    }

    /// An agent takes a waiting call.
    pub(crate) fn agent_answers(&mut self, sid: CallSid) -> bool {
        let Some(call) = self.calls.get(&sid) else {
            return false;
        };
        let task = call.task;
        if !matches!(call.activity, Activity::Waiting { .. }) || !self.assign_task(task) {
            return false;
        }
        let left = self.leave_activity(sid, Activity::Talking).is_ok();
        self.heard(sid, Heard::AgentAnswered);
        left
    }

    /// Other software gives a waiting call new instructions: the caller talks to it from now on.
    pub(crate) fn take_off_hold(&mut self, sid: CallSid) -> bool {
        let Some(call) = self.calls.get(&sid) else {
            return false;
        };
        let task = call.task;
        if !matches!(call.activity, Activity::Waiting { .. }) {
            return false;
        }
        let left = self.leave_activity(sid, Activity::Talking).is_ok();
        self.heard(sid, Heard::TakenOffHold);
        if self.config.task_after_redirect == TaskAfterRedirect::Canceled {
            self.cancel_if_unassigned(task, "redirected");
        }
        left
    }

    /// A conversation ends in the workflow's queue: the same call waits for a new task.
    pub(crate) fn enqueue_again(&mut self, sid: CallSid, begin: Begin) -> Option<TaskSid> {
        let call = self.calls.get(&sid)?;
        let (from, to, old) = (call.from.clone(), call.to.clone(), call.task);
        if call.activity != Activity::Talking {
            return None;
        }
        let workflow = self.demo.workflow;
        let attributes = attributes(sid, &from, &to);
        let task = self.create_task(NewTask::of(workflow, attributes, Some(sid), begin))?;
        self.complete_if_assigned(old);
        let (now, queue) = (self.now(), self.voice_queue(workflow));
        let waiting = Activity::Waiting { queue, since: now };
        self.leave_activity(sid, waiting).ok()?;
        self.calls.get_mut(&sid)?.task = task;
        self.voice_queues.get_mut(&queue)?.members.insert(sid, now);
        self.heard(sid, Heard::HoldMusic);
        self.tell(Story::CallPlaced { call: sid, task });
        self.route_task(task);
        Some(task)
    }

    /// A task that is not its caller's own comes to the placeholder queue.
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
        let known = call.and_then(|call| self.calls.get(&call));
        let mut attributes = match known {
            Some(call) => attributes(call.sid, &call.from, &call.to),
            None => Map::new(),
        };
        attributes.extend(mark.map(|(name, value)| (name.to_owned(), value)));
        let workflow = self.demo.workflow;
        let task = NewTask::of(workflow, attributes, call, Begin::LastStep);
        let task = self.create_task(task)?;
        let taken = matches!(other, OtherTask::Consultation(_));
        if taken {
            self.offer_task(task);
        }
        self.route_task(task);
        if taken {
            self.assign_task(task);
        }
        Some(task)
    }

    /// What a request for TwiML says of its call.
    pub(crate) fn twiml_params(&self, sid: CallSid) -> Vec<(&'static str, String)> {
        let Some(call) = self.calls.get(&sid) else {
            return Vec::new();
        };
        let (from, to) = (call.from.as_str(), call.to.as_str());
        vec![
            ("CallSid", sid.to_string()),
            ("AccountSid", self.account.sid.to_string()),
            ("From", from.to_owned()),
            ("Caller", from.to_owned()),
            ("To", to.to_owned()),
            ("Called", to.to_owned()),
            ("CallStatus", "in-progress".to_owned()),
            ("Direction", "inbound".to_owned()),
            ("ApiVersion", "2010-04-01".to_owned()),
        ]
    }

    /// Ends what a call does now, for `next`; tells what it was.
    fn leave_activity(&mut self, sid: CallSid, next: Activity) -> Result<Activity, NotInProgress> {
        let now = self.now();
        let call = self.calls.get_mut(&sid).ok_or(NotInProgress)?;
        if call.status != CallStatus::InProgress {
            return Err(NotInProgress);
        }
        let was = std::mem::replace(&mut call.activity, next);
        call.updated = now;
        if let Activity::Waiting { queue, since } = was {
            call.queue_time += seconds_between(since, now);
            if let Some(queue) = self.voice_queues.get_mut(&queue) {
                queue.members.remove(&sid);
            }
        }
        Ok(was)
    }

    /// The voice queue of a workflow, which Twilio creates with its first call.
    fn voice_queue(&mut self, workflow: WorkflowSid) -> QueueSid {
        if let Some(known) = self.voice_queue_of.get(&workflow) {
            return *known;
        }
        let queue = VoiceQueue {
            sid: self.ids.voice_queue(),
            friendly_name: workflow.to_string(),
            max_size: LARGEST_QUEUE,
            members: Ordered::default(),
            created: self.now(),
        };
        let sid = queue.sid;
        self.voice_queues.insert(sid, queue);
        self.voice_queue_of.insert(workflow, sid);
        sid
    }

    /// Since a call's task entered the task queue that it is in.
    fn since_entered(&self, call: CallSid) -> Option<Duration> {
        let task = self.tasks.get(&self.calls.get(&call)?.task)?;
        Some(self.elapsed().saturating_sub(task.entered_at))
    }
}

pub(crate) fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()).max(0)
}

/// Of a voice task as Flex makes it.
fn attributes(call: CallSid, from: &E164, to: &E164) -> Map<String, Value> {
    let attributes = json!({
        "from_country": "US",
        "called": to.as_str(),
        "to_country": "US",
        "call_sid": call,
        "from": from.as_str(),
        "to": to.as_str(),
        "direction": "inbound",
        "name": from.as_str(),
    });
    match attributes {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
