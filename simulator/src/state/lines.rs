//! What is known of those who are rung for a caller.

use std::time::Duration;

use twilio::CallSid;

use super::State;
use crate::journal::{Callee, CalleeEnd, CalleeLog, CalleeMoment, DialOutcome, DialRecord, Heard};
use crate::line::{Params, Rung};
use crate::phone::PickUp;
use crate::readings::RefusedWhisper;
use crate::resources::Activity;
use crate::story::Story;
use crate::twiml::Noun;

impl State {
    /// Which of its `<Dial>`s a call comes to next.
    pub(crate) fn next_dial(&self, call: CallSid) -> usize {
        let last = self
            .journal
            .caller(&call)
            .and_then(|log| log.callees.last());
        last.map_or(0, |callee| callee.dial + 1)
    }

    /// Rings somebody for a caller.
    pub(crate) fn ring(
        &mut self,
        call: CallSid,
        dial: usize,
        record: &DialRecord,
        noun: &Noun,
    ) -> Option<Rung> {
        let phone = self.phone(&noun.number);
        if phone.pick_up == PickUp::Rejected {
            return None;
        }
        let sid = self.ids.sid();
        let log = CalleeLog {
            call: sid,
            number: noun.number,
            dial,
            asked: noun.whisper.is_some(),
            mailbox: phone.pick_up == PickUp::Mailbox,
            moments: Vec::new(),
        };
        let callees = self
            .journal
            .callers
            .get_mut(&call)
            .map(|log| &mut log.callees);
        let index = callees.map_or(0, |callees| {
            callees.push(log);
            callees.len() - 1
        });
        self.begin_leg(sid, (call, index), record, noun);
        self.callee(call, index, Callee::Rung);
        Some(Rung { index, phone })
    }

    /// Something happens to somebody who was rung.
    pub(crate) fn callee(&mut self, call: CallSid, index: usize, what: Callee) {
        let at = self.elapsed();
        let log = self.journal.callers.get_mut(&call);
        let Some(callee) = log.and_then(|log| log.callees.get_mut(index)) else {
            return;
        };
        let (leg, number, mailbox) = (callee.call, callee.number, callee.mailbox);
        let moment = what.clone();
        callee.moments.push(CalleeMoment { at, what: moment });
        if matches!(what, Callee::Ended(_)) {
            self.end_leg(leg);
        }
        self.tell(Story::Callee {
            call,
            number,
            mailbox,
            what,
        });
    }

    /// When they picked up, since the simulator's start.
    pub(crate) fn picked_up(&self, call: CallSid, index: usize) -> Option<Duration> {
        self.callee_log(call, index)?.picked_up()
    }

    /// Those of a call who are still on it.
    fn there(&self, call: CallSid) -> Vec<(usize, bool)> {
        let callees = self.journal.caller(&call).map(|log| log.callees.iter());
        let all = callees.into_iter().flatten().enumerate();
        let there = all.filter(|(_, callee)| callee.ended().is_none());
        there
            .map(|(index, callee)| (index, callee.had_the_caller()))
            .collect()
    }

    /// Somebody is there: all others are hung up.
    pub(crate) fn cancel_callees(&mut self, call: CallSid, but: usize) {
        for (index, _) in self.there(call) {
            if index != but {
                self.callee(call, index, Callee::Ended(CalleeEnd::Canceled));
            }
        }
    }

    /// The caller is gone.
    pub(super) fn leave_callees(&mut self, call: CallSid) {
        for (index, had_the_caller) in self.there(call) {
            let end = match had_the_caller {
                true => CalleeEnd::CallerGone,
                false => CalleeEnd::Canceled,
            };
            self.callee(call, index, Callee::Ended(end));
        }
    }

    /// Caller and callee talk; returns how long the caller does so.
    pub(crate) fn connect(
        &mut self,
        call: CallSid,
        index: usize,
        record: &DialRecord,
    ) -> Option<Duration> {
        self.callee(call, index, Callee::Connected);
        let record = DialRecord {
            outcome: DialOutcome::Answered,
            ..record.clone()
        };
        self.heard(call, Heard::Dialled(record));
        let call = self.calls.get_mut(&call)?;
        call.activity = Activity::Talking;
        call.conduct.talks
    }

    /// What came of a `<Dial>`.
    pub(crate) fn dial_outcome(&self, call: CallSid, dial: usize) -> DialOutcome {
        self.decisive(call, dial)
            .map_or(DialOutcome::Failed, outcome)
    }

    /// Of those who were rung, who decides what came of it: who had the caller, else who picked up,
    /// else the last.
    fn decisive(&self, call: CallSid, dial: usize) -> Option<&CalleeLog> {
        let log = self.journal.caller(&call)?;
        let rung = || log.callees.iter().filter(|callee| callee.dial == dial);
        rung()
            .find(|callee| callee.had_the_caller())
            .or_else(|| rung().find(|callee| outcome(callee) == DialOutcome::Refused))
            .or_else(|| rung().next_back())
    }

    /// What `action` is told of a `<Dial>`.
    pub(crate) fn dial_params(&self, call: CallSid, dial: usize) -> Params {
        let Some(callee) = self.decisive(call, dial) else {
            return vec![
                ("DialCallStatus", "failed".to_owned()),
                ("DialBridged", "false".to_owned()),
            ];
        };
        let (status, bridged) = match outcome(callee) {
            DialOutcome::Answered => ("completed", true),
            DialOutcome::Busy => ("busy", false),
            DialOutcome::NoAnswer => ("no-answer", false),
            DialOutcome::Failed => ("failed", false),
            DialOutcome::Canceled => ("canceled", false),
            DialOutcome::Refused => match self.config.readings.refused_whisper {
                RefusedWhisper::NoAnswer => ("no-answer", false),
                RefusedWhisper::Completed => ("completed", false),
                RefusedWhisper::CompletedAndBridged => ("completed", true),
            },
        };
        let mut params = vec![
            ("DialCallSid", callee.call.to_string()),
            ("DialCallStatus", status.to_owned()),
            ("DialBridged", bridged.to_string()),
        ];
        if let Some(lasted) = self.lasted(callee) {
            params.push(("DialCallDuration", lasted.as_secs().to_string()));
        }
        params
    }
}

fn outcome(callee: &CalleeLog) -> DialOutcome {
    match callee.ended() {
        _ if callee.had_the_caller() => DialOutcome::Answered,
        Some((CalleeEnd::Busy, _)) => DialOutcome::Busy,
        Some((CalleeEnd::NoAnswer, _)) => DialOutcome::NoAnswer,
        Some((CalleeEnd::Failed, _)) => DialOutcome::Failed,
        Some((CalleeEnd::Refused | CalleeEnd::HungUp, _)) => DialOutcome::Refused,
        _ => DialOutcome::Canceled,
    }
}
