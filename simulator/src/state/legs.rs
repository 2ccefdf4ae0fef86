//! Calls to those who are rung, as Twilio's API shows them and its status callbacks tell of them.

use std::sync::Arc;
use std::time::Duration;

use twilio::CallSid;

use super::{Effect, State};
use crate::dates::{Dates, rfc2822};
use crate::events::{Event, EventKind, Transport, Webhook};
use crate::journal::{CalleeLog, DialRecord};
use crate::line::Params;
use crate::resources::Leg;
use crate::twiml::Noun;

impl State {
    /// The call to somebody who is rung.
    pub(super) fn begin_leg(
        &mut self,
        sid: CallSid,
        (caller, index): (CallSid, usize),
        record: &DialRecord,
        noun: &Noun,
    ) {
        let Some(call) = self.calls.get(&caller) else {
            return;
        };
        let leg = Leg {
            sid,
            caller,
            index,
            from: record.caller_id.unwrap_or(call.from),
            dates: Dates::new(self.now()),
            ended: None,
            status_callback: noun.status_callback.clone(),
        };
        self.legs.insert(sid, leg);
    }

    /// It is over; whoever is to be told of it is.
    pub(super) fn end_leg(&mut self, sid: CallSid) {
        let now = self.now();
        let Some(leg) = self.legs.get_mut(&sid) else {
            return;
        };
        leg.ended = Some(now);
        leg.dates.updated = now;
        let (caller, index) = (leg.caller, leg.index);
        let Some(url) = leg.status_callback.clone() else {
            return;
        };
        let mut params = self.callee_params(caller, index);
        let log = self.callee_log(caller, index);
        let (status, lasted) = log.map_or(("completed", None), |callee| {
            (callee.status(), self.lasted(callee))
        });
        for (name, value) in &mut params {
            if *name == "CallStatus" {
                status.clone_into(value);
            }
        }
        let duration = lasted.unwrap_or_default().as_secs().to_string();
        params.extend([
            ("CallDuration", duration),
            ("Timestamp", rfc2822(now)),
            ("CallbackSource", "call-progress-events".to_owned()),
            ("SequenceNumber", "0".to_owned()),
        ]);
        let event = Event {
            sid: self.ids.sid(),
            kind: EventKind::CallCompleted,
            at: now,
            call: Some(sid),
            task: None,
            params,
        };
        let webhook = Webhook::new(Arc::new(event), Transport::StatusCallback, url);
        self.effects.push(Effect::Send(webhook));
    }

    /// The calls to those who were rung for a caller, in that order.
    pub(crate) fn legs_of(&self, caller: &CallSid) -> impl Iterator<Item = &Leg> {
        let callees = self.journal.caller(caller).map(|log| log.callees.iter());
        let calls = callees.into_iter().flatten().map(|callee| callee.call);
        calls.filter_map(|call| self.legs.get(&call))
    }

    /// What somebody heard who was rung.
    pub(crate) fn callee_log(&self, caller: CallSid, index: usize) -> Option<&CalleeLog> {
        self.journal.caller(&caller)?.callees.get(index)
    }

    /// For how long they were on the line, up to now or their end; `None` if they didn't pick up.
    pub(crate) fn lasted(&self, callee: &CalleeLog) -> Option<Duration> {
        let until = callee.ended().map_or(self.elapsed(), |(_, at)| at);
        let passed = until.saturating_sub(callee.picked_up()?);
        Some(self.config.speed.lengthen(passed))
    }

    /// What a request says about the call to somebody who was rung.
    pub(crate) fn callee_params(&self, call: CallSid, index: usize) -> Params {
        let Some(callee) = self.callee_log(call, index) else {
            return Params::new();
        };
        let number = callee.number.as_str();
        let shown = self.legs.get(&callee.call).map(|leg| leg.from);
        let mut params = self.twiml_params(call);
        for (name, value) in &mut params {
            match *name {
                "CallSid" => *value = callee.call.to_string(),
                "To" | "Called" => *value = number.to_owned(),
                "From" | "Caller" => {
                    *value = shown.map_or_else(|| value.clone(), |from| from.as_str().to_owned())
                }
                "Direction" => *value = "outbound-dial".to_owned(),
                _ => {}
            }
        }
        params.push(("ParentCallSid", call.to_string()));
        params
    }
}
