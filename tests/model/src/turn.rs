//! What can happen next.

use crate::Fault;
use crate::Omission::*;
use crate::choices::Choices;
use crate::state::Stage::{self, *};
use crate::state::{Entry, G, LATE, P, READ_BACK, Redirector, State, V};

impl State {
    /// What redirector 0 or 1 does next, or what befalls it; 2 is the rest of the world.
    pub(crate) fn turn(&mut self, r: usize, choices: &mut Choices) -> &'static str {
        if r == 2 {
            return self.elsewhere(choices);
        }
        let quiet = self.is_quiet(r);
        let me = self.redirectors[r];
        if me.unread[0].is_some() && !choices.flip() {
            self.read(r);
            return "reads on";
        }
        if me.unread[0].is_some() && self.suffers(Fault::Gap, choices) {
            self.miss(r);
            return "misses entries";
        }
        if me.stage != Dead && self.suffers(Fault::Kill, choices) {
            let sends = me.stage == Paused || me.stage == Ready && self.may_send(r);
            let on_its_way = sends && choices.flip();
            if on_its_way {
                self.set_out();
            }
            self.kill(r);
            return if on_its_way {
                "updates the call and is killed"
            } else {
                "is killed"
            };
        }
        match me.stage {
            Idle if self.copies == 0 => "has nothing to do",
            Idle => {
                self.copies -= 1;
                self.go(r, Decide, "takes a copy")
            }
            Dead => {
                self.start_anew(r);
                "starts anew"
            }
            // (3) No doubt and a young event: the event is the proof. Else Twilio is asked.
            Decide if me.doubt.is_none() && self.event_is_proof() => {
                self.append(r, true, "has the event as proof")
            }
            Decide if !self.has(ProofFirst) => self.append(r, false, "appends at once"),
            Decide if self.moved => self.go(r, Idle, "asks, and hears: gone"),
            Decide => {
                self.go(r, Asking, "");
                self.redirectors[r].sure = quiet;
                "asks"
            }
            Asking if self.moved && choices.flip() => self.go(r, Idle, "hears: gone"),
            Asking => {
                let by_answer = !self.has(LookByAsking) && quiet;
                if me.sure || by_answer || !self.has(LookAfterW) {
                    return self.append(r, false, "hears: waiting");
                }
                self.go(r, Decide, "hears: waiting, in vain")
            }
            Appending => self.wait_for_entry(r, choices),
            Ready if !self.may_send(r) => self.go(r, Decide, "doesn't send"),
            Ready if self.suffers(Fault::Pause, choices) => {
                self.redirectors[r].stage = Paused;
                self.redirectors[r].age = P;
                "stands still"
            }
            Ready | Paused => self.send(r, choices),
        }
    }

    fn go(&mut self, r: usize, stage: Stage, what: &'static str) -> &'static str {
        self.redirectors[r].go(stage);
        what
    }

    fn append(&mut self, r: usize, event: bool, what: &'static str) -> &'static str {
        self.redirectors[r].go(Appending);
        self.redirectors[r].event = event;
        self.redirectors[r].sure = true;
        what
    }

    fn wait_for_entry(&mut self, r: usize, choices: &mut Choices) -> &'static str {
        let me = self.redirectors[r];
        if self.suffers(Fault::ConfirmLost, choices) {
            self.redirectors[r].own_seen |= me.logged && !self.has(OwnById);
            self.redirectors[r].give_up_entry();
            return self.go(r, Decide, "has no confirm");
        }
        let unread = me.own_seen || (me.logged && !self.has(ReadBackOwn));
        let room = |reader: &Redirector| reader.unread[1].is_none();
        if !me.logged && self.redirectors.iter().all(room) {
            self.redirectors[r].log(Entry::Own);
            self.redirectors[1 - r].log(Entry::Doubt);
            self.redirectors[r].logged = true;
            self.redirectors[r].appended = Some(0);
        }
        if unread && choices.flip() {
            self.redirectors[r].give_up_entry();
            self.redirectors[r].stage = Ready;
            return "goes on unread";
        }
        "has its intent logged"
    }

    fn send(&mut self, r: usize, choices: &mut Choices) -> &'static str {
        // (2) What was sent is doubt from its reading on.
        let read = self.redirectors[r].read;
        let doubt = self.redirectors[r].doubt.map_or(read, |age| age.min(read));
        let answered = !self.suffers(Fault::NoAnswer, choices);
        if self.has(if answered { OwnSuccess } else { OwnUnanswered }) {
            self.redirectors[r].doubt = Some(doubt);
        }
        self.redirectors[r].own_seen |= !self.has(OwnById);
        if !answered {
            self.set_out();
            return self.go(r, Decide, "updates the call: no answer");
        }
        self.carry_out();
        self.go(r, Idle, "updates the call: 200")
    }

    fn carry_out(&mut self) {
        self.twice |= self.moved;
        self.moved = true;
    }

    fn set_out(&mut self) {
        self.underway.sort_unstable();
        self.underway[0] = Some(LATE);
    }

    fn read(&mut self, r: usize) {
        let behind_counts = !self.has(BehindDoesNotCount);
        // An own doubt counted from its submission is older: stricter, and fewer states.
        let from_reading = !self.has(AgeFromSubmission);
        let me = &mut self.redirectors[r];
        let [entry, next] = me.unread;
        me.unread = [next, None];
        if entry == Some(Entry::Doubt) {
            me.doubt = Some(0);
            me.sure &= me.stage >= Ready && !behind_counts;
        } else {
            me.stage = Ready;
            me.read = if from_reading { 0 } else { me.age };
        }
    }

    /// Entries are gone: that is a doubt about every call (8).
    fn miss(&mut self, r: usize) {
        if self.redirectors[r].logged && self.redirectors[r].stage == Appending {
            self.redirectors[r].go(Decide);
        }
        self.redirectors[r].unread = [self.has(GapIsDoubt).then_some(Entry::Doubt), None];
    }

    /// The copy that it had goes back to the queue.
    fn kill(&mut self, r: usize) {
        let Redirector {
            stage, appended, ..
        } = self.redirectors[r];
        self.copies += u8::from(stage != Idle);
        self.redirectors[r] = Redirector {
            stage: Dead,
            appended,
            ..Redirector::default()
        };
    }

    /// What was written in the last W is read (7), its old life's too (1).
    fn start_anew(&mut self, r: usize) {
        let old_life = self.redirectors[r].appended.is_some() && self.has(NewIncarnation);
        self.redirectors[r].go(Idle);
        if (old_life || self.redirectors[1 - r].appended.is_some()) && self.has(ReadBackAtStart) {
            self.redirectors[r].log(Entry::Doubt);
        }
    }

    fn elsewhere(&mut self, choices: &mut Choices) -> &'static str {
        for i in 0..2 {
            if self.underway[i].is_some() && choices.flip() {
                self.underway[i] = None;
                self.carry_out();
                return "the update is carried out late";
            }
        }
        if self
            .redirectors
            .iter()
            .any(|r| r.stage == Paused && r.age == 0)
        {
            return "nobody can wait";
        }
        self.event_age = V.min(self.event_age + 1);
        // After its time, an update has come to nothing.
        self.underway = self.underway.map(|left| left?.checked_sub(1));
        for me in &mut self.redirectors {
            me.doubt = me.doubt.map(|age| (READ_BACK + 1).min(age + 1));
            me.appended = me
                .appended
                .filter(|age| *age < READ_BACK)
                .map(|age| age + 1);
            me.age = match me.stage {
                Paused => me.age - 1,
                Appending | Ready => (G + 1).min(me.age + 1),
                _ => 0,
            };
            me.read = if me.stage >= Ready {
                (G + P + 1).min(me.read + 1)
            } else {
                0
            };
        }
        "a tick"
    }
}
