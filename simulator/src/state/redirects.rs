//! New instructions for calls, and what comes of them.

use twilio::CallSid;

use super::calls::NotInProgress;
use super::{Effect, FetchTwiml, State, TwimlMethod};
use crate::journal::{DialOutcome, DialRecord, HangUp, Heard, Instructions};
use crate::resources::Activity;
use crate::twiml::{self, InvalidTwiml, Verb};

/// New instructions for a call.
pub(crate) enum Redirect {
    Twiml(String),
    Url { url: String, method: TwimlMethod },
}

impl State {
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
        let Some(call) = self.calls.get_mut(&sid) else {
            return Ok(());
        };
        call.run += 1;
        let (run, task) = (call.run, call.task);
        match redirect {
            Redirect::Twiml(text) => self.instruct(sid, run, twiml::parse(&text)),
            Redirect::Url { url, method } => self.effects.push(Effect::FetchTwiml(FetchTwiml {
                call: sid,
                run,
                url,
                method,
            })),
        }
        if matches!(was, Activity::Waiting { .. }) {
            self.left_behind(task);
        }
        Ok(())
    }

    /// Carries out the instructions of a call's `run`, unless there are newer ones.
    pub(crate) fn instruct(
        &mut self,
        sid: CallSid,
        run: u64,
        verbs: Result<Vec<Verb>, InvalidTwiml>,
    ) {
        let current = self
            .calls
            .get(&sid)
            .is_some_and(|call| call.run == run && call.activity == Activity::Fetching);
        if !current {
            return;
        }
        let verbs = match verbs {
            Ok(verbs) => verbs,
            Err(invalid) => {
                let problem = invalid.to_string();
                self.heard(sid, Heard::ApplicationError { problem });
                let _ = self.end_call(sid, HangUp::ApplicationError);
                return;
            }
        };
        for verb in verbs {
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

    fn dial(&mut self, sid: CallSid, mut dial: DialRecord) -> DialOutcome {
        let outcomes = dial
            .numbers
            .iter()
            .map(|number| self.dial_outcomes.get(number).copied().unwrap_or_default());
        // One answer is enough; otherwise the last outcome counts.
        dial.outcome = outcomes
            .reduce(|best, next| match best {
                DialOutcome::Answered => best,
                _ => next,
            })
            .unwrap_or(DialOutcome::Failed);
        let outcome = dial.outcome;
        self.heard(sid, Heard::Dialled(dial));
        if outcome == DialOutcome::Answered
            && let Some(call) = self.calls.get_mut(&sid)
        {
            call.activity = Activity::Talking;
        }
        outcome
    }

    /// What a request for TwiML says about its call.
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
}
