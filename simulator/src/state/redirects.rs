//! New instructions for calls.

use twilio::{CallSid, WorkflowSid};

use super::calls::{NotInProgress, attributes};
use super::tasks::Begin;
use super::{Effect, State};
use crate::journal::{Heard, Instructions};
use crate::line::{Follow, Source};
use crate::resources::Activity;

impl State {
    /// Gives a call new instructions, whatever it does now.
    pub(crate) fn redirect(
        &mut self,
        sid: CallSid,
        request_id: &str,
        source: Source,
    ) -> Result<(), NotInProgress> {
        let was = self.leave_activity(sid, Activity::Instructed)?;
        if was == Activity::Talking {
            let request_id = request_id.to_owned();
            self.heard(sid, Heard::ConversationCut { request_id });
        }
        let request_id = request_id.to_owned();
        let instructions = match &source {
            Source::Inline(_) => Instructions::Twiml,
            Source::Url(ask) => Instructions::Url(ask.url.clone()),
        };
        self.heard(
            sid,
            Heard::Redirected {
                request_id,
                instructions,
            },
        );
        self.follow(sid, source);
        if let (Activity::Waiting { .. }, Some(task)) = (was, self.task_of(&sid)) {
            self.left_behind(task);
        }
        Ok(())
    }

    /// Instructions put a call into a workflow's queue. `None` if there is no such workflow, or it
    /// takes no such task.
    pub(crate) fn enqueue_for(&mut self, sid: CallSid, workflow: WorkflowSid) -> Option<()> {
        let call = self.calls.get(&sid)?;
        let attributes = attributes(sid, &call.from, &call.to);
        let task = self.new_task(workflow, &attributes, Begin::FirstStep)?;
        self.enqueue(sid, workflow, task);
        Some(())
    }

    /// A call follows instructions from now on.
    pub(super) fn follow(&mut self, sid: CallSid, source: Source) {
        if let Some(call) = self.calls.get(&sid) {
            let follow = Follow {
                call: sid,
                run: call.run,
                stop: call.stop.clone(),
                source,
            };
            self.effects.push(Effect::Follow(follow));
        }
    }

    /// What a request for TwiML says about its call.
    pub(crate) fn twiml_params(&self, sid: CallSid) -> Vec<(&'static str, String)> {
        let Some(call) = self.calls.get(&sid) else {
            return Vec::new();
        };
        let (from, to) = (call.from.as_str(), call.to.as_str());
        let status = call.status();
        vec![
            ("CallSid", sid.to_string()),
            ("AccountSid", self.account.sid.to_string()),
            ("From", from.to_owned()),
            ("Caller", from.to_owned()),
            ("To", to.to_owned()),
            ("Called", to.to_owned()),
            ("CallStatus", status.to_owned()),
            ("Direction", call.direction().to_owned()),
            ("ApiVersion", "2010-04-01".to_owned()),
        ]
    }
}
