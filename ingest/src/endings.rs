//! What became of callers, as far as Twilio's requests say so.

use jiff::Timestamp;
use ladder::{Hop, Offer, Stage, is_message, seconds_told};
use queue::{CallerEnd, Outcome, OutcomeKind};
use service::Plans;
use service::plan::Ending;
use twilio::rest::CallStatus;
use twilio::{AccountSid, CallSid, FormParams, RecordingSid};

/// What a caller's plan is called of whom nobody knows it.
const NO_PLAN: &str = "none";

/// What is the same for whatever becomes of a caller.
pub(crate) struct Told<'a> {
    pub(crate) account: AccountSid,
    pub(crate) at: Timestamp,
    pub(crate) plan: &'a str,
    pub(crate) params: &'a FormParams,
}

impl Told<'_> {
    /// A call to a number is over. None if it isn't, or can't be read.
    pub(crate) fn of_leg(&self, plans: &Plans, hop: &Hop<'_>) -> Option<Outcome> {
        let leg = self.sid("CallSid")?;
        let caller = self.sid("ParentCallSid")?;
        let lasted = seconds_told(self.params, "CallDuration");
        let ending = plans.leg(hop, self.status(), lasted)?;
        let was_answered = ending.outcome == OutcomeKind::Answered;
        Some(Outcome {
            dialed_call_sid: Some(leg),
            seconds: was_answered.then_some(lasted.as_secs()),
            ..self.outcome(leg.to_string(), caller, ending)
        })
    }

    /// Twilio could not dial a ladder's number, and made no call to it that could be told of. None if
    /// that isn't so.
    pub(crate) fn of_dial(&self, hop: &Hop<'_>) -> Option<Outcome> {
        let is_failed = self.params.get("DialCallStatus") == Some("failed");
        if !is_failed || self.sid("DialCallSid").is_some() {
            return None;
        }
        let caller = self.sid("CallSid")?;
        let step = hop.position.to_string();
        let id = format!("{caller}.{step}");
        let ending = Ending {
            step: Some(step),
            outcome: OutcomeKind::Failed,
            caller: None,
        };
        Some(self.outcome(id, caller, ending))
    }

    /// Twilio asked what comes next for a caller, and was answered. None if that is no news of them.
    pub(crate) fn of_caller(&self, hop: &Hop<'_>, offer: Offer) -> Option<Outcome> {
        if hop.stage == Stage::Recorded && is_message(self.params) {
            return self.message(hop);
        }
        match offer {
            Offer::Nothing => None,
            _ if self.status().is_over() => {
                let step = Some(hop.position.to_string());
                self.missed(OutcomeKind::HungUp, step)
            }
            Offer::LastWords => self.missed(OutcomeKind::LastWords, None),
            Offer::More => None,
        }
    }

    /// No step was in force when the caller came.
    pub(crate) fn closed(&self) -> Option<Outcome> {
        self.missed(OutcomeKind::Closed, None)
    }

    fn message(&self, hop: &Hop<'_>) -> Option<Outcome> {
        let caller = self.sid("CallSid")?;
        // Twilio documents its URL, which ends in it.
        let url = self.params.get("RecordingUrl").unwrap_or_default();
        let in_url = || url.rsplit('/').next()?.parse().ok();
        let recording: Option<RecordingSid> = self.read("RecordingSid").or_else(in_url);
        let id = recording.map_or_else(|| caller.to_string(), |sid| sid.to_string());
        let ending = Ending {
            step: Some(hop.position.to_string()),
            outcome: OutcomeKind::Voicemail,
            caller: Some(CallerEnd::Recorded),
        };
        Some(Outcome {
            recording_sid: recording,
            seconds: Some(seconds_told(self.params, "RecordingDuration").as_secs()),
            ..self.outcome(id, caller, ending)
        })
    }

    fn missed(&self, outcome: OutcomeKind, step: Option<String>) -> Option<Outcome> {
        // Of a call to somebody who was rung, it is not the caller's end.
        if self.params.get("ParentCallSid").is_some() {
            return None;
        }
        let caller = self.sid("CallSid")?;
        let ending = Ending {
            step,
            outcome,
            caller: Some(CallerEnd::Missed),
        };
        Some(self.outcome(caller.to_string(), caller, ending))
    }

    fn outcome(&self, id: String, call_sid: CallSid, ending: Ending) -> Outcome {
        let plan = match self.plan {
            "" => NO_PLAN,
            plan => plan,
        };
        Outcome {
            id,
            at: self.at,
            account_sid: self.account,
            call_sid,
            task_sid: None,
            plan: plan.to_owned(),
            step: ending.step,
            outcome: ending.outcome,
            caller: ending.caller,
            dialed_call_sid: None,
            recording_sid: None,
            seconds: None,
        }
    }

    fn status(&self) -> CallStatus {
        CallStatus::from_name(self.params.get("CallStatus").unwrap_or_default())
    }

    fn sid(&self, name: &str) -> Option<CallSid> {
        self.read(name)
    }

    fn read<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.params.get(name)?.parse().ok()
    }
}
