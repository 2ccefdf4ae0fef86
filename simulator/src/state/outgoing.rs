//! Calls that a request makes.

use std::time::Duration;

use twilio::{CallSid, E164};

use super::State;
use crate::journal::{HangUp, Heard};
use crate::line::Source;
use crate::phone::{Conduct, Phone, PickUp};
use crate::resources::Activity;

/// A call to be made.
pub(crate) struct MakeCall {
    pub(crate) to: E164,
    pub(crate) from: E164,
    /// What whoever picks up hears.
    pub(crate) source: Source,
    /// How long it rings.
    pub(crate) timeout: Duration,
    pub(crate) time_limit: Option<Duration>,
}

impl State {
    /// A phone rings, and whoever picks up follows the instructions.
    pub(crate) fn make_call(&mut self, make: MakeCall) -> CallSid {
        let sid = self.ids.sid();
        let phone = self.phone(&make.to);
        let conduct = Conduct::default();
        self.begin_call(sid, (make.from, make.to), conduct, true);
        self.made.insert(make.to, sid);
        let no_answer = phone.pick_up == PickUp::Silent || phone.rings > make.timeout;
        let rings = phone.rings.min(make.timeout);
        let rings = if no_answer { make.timeout } else { rings };
        self.later(self.config.speed.shorten(rings), move |state| {
            let call = state.calls.get_mut(&sid);
            let Some(call) = call.filter(|call| call.activity == Activity::Ringing) else {
                return;
            };
            call.end = match phone.pick_up {
                _ if no_answer => "no-answer",
                PickUp::Busy => "busy",
                PickUp::Failed | PickUp::Rejected => "failed",
                _ => return state.picks_up(sid, phone, make),
            };
            let _ = state.end_call(sid, HangUp::NotReached);
        });
        sid
    }

    fn picks_up(&mut self, sid: CallSid, phone: Phone, make: MakeCall) {
        let _ = self.leave_activity(sid, Activity::Instructed);
        self.heard(sid, Heard::PickedUp);
        self.follow(sid, make.source);
        let ends = [
            (phone.stays, HangUp::Caller),
            (make.time_limit, HangUp::TimeLimit),
        ];
        for (after, by) in ends {
            if let Some(after) = after {
                self.later(self.config.speed.shorten(after), move |state| {
                    let _ = state.end_call(sid, by);
                });
            }
        }
    }

    /// What becomes of a call to a number. Whoever is called already hears another call waiting, and
    /// lets it ring.
    pub(super) fn phone(&self, number: &E164) -> Phone {
        let phone = self.phones.get(number).copied().unwrap_or_default();
        let called = self.made.get(number);
        match phone.pick_up {
            PickUp::Answers | PickUp::Mailbox
                if called.is_some_and(|call| self.is_in_progress(call)) =>
            {
                PickUp::Silent.into()
            }
            _ => phone,
        }
    }
}
