//! Everything at one moment, and what can happen next.

use crate::Fault;
use crate::Omission::{self, *};
use crate::choices::Choices;

/// How late Twilio may carry an update out.
pub(crate) const LATE: u8 = 1;
/// How long an intent is good.
pub(crate) const G: u8 = 1;
/// The longest pause between the last check and the send.
pub(crate) const P: u8 = 1;
/// How long an event is proof that its caller waits.
pub(crate) const V: u8 = 2;
/// How far a new reader reads back (7).
pub(crate) const READ_BACK: u8 = LATE + G + P;

/// How far a redirector is with a copy of the event.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    #[default]
    Idle,
    Dead,
    /// At rule 3.
    Decide,
    /// Twilio was asked while the caller waited.
    Asking,
    /// With a proof in hand (4).
    Appending,
    /// With the intent read back, before the last check (5).
    Ready,
    /// Behind it, for `age` more at the most.
    Paused,
}
use Stage::*;

/// An entry of the log, as one reader sees it: its own, or a doubt. An own one that it gave up is
/// nothing to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Entry {
    Own,
    Doubt,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Redirector {
    pub(crate) stage: Stage,
    /// Whether its proof is the event, and not a look.
    pub(crate) event: bool,
    /// Whether its proof, or what it asks for, covers all doubts that count.
    pub(crate) sure: bool,
    pub(crate) logged: bool,
    /// How long ago the intent was submitted, and read back.
    pub(crate) age: u8,
    pub(crate) read: u8,
    /// How long ago the newest doubt was read.
    pub(crate) doubt: Option<u8>,
    /// What it hasn't read. Two entries are as good as any number: what matters is whether a doubt
    /// comes before its own.
    pub(crate) unread: [Option<Entry>; 2],
    /// Whether there is an earlier intent of its own that could be taken for a later one.
    pub(crate) own_seen: bool,
    /// How long ago it appended, in whichever life, while a new reader reads that.
    pub(crate) appended: Option<u8>,
}

impl Redirector {
    pub(crate) fn go(&mut self, stage: Stage) {
        *self = Self {
            stage,
            event: false,
            sure: false,
            logged: false,
            age: 0,
            read: 0,
            ..*self
        };
    }

    pub(crate) fn log(&mut self, entry: Entry) {
        let place = self.unread.iter_mut().find(|place| place.is_none());
        if let (Some(place), true) = (place, self.stage != Dead) {
            *place = Some(entry);
        }
    }

    pub(crate) fn give_up_entry(&mut self) {
        for entry in &mut self.unread {
            entry.take_if(|entry| *entry == Entry::Own);
        }
        if self.unread[0].is_none() {
            self.unread.swap(0, 1);
        }
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    without: Option<Omission>,
    pub(crate) redirectors: [Redirector; 2],
    /// Copies of the event on the queue.
    pub(crate) copies: u8,
    pub(crate) event_age: u8,
    /// Updates on their way: how long Twilio may still take.
    pub(crate) underway: [Option<u8>; 2],
    pub(crate) faults: u8,
    pub(crate) moved: bool,
    pub(crate) twice: bool,
}

impl State {
    pub(crate) fn start(without: Option<Omission>, faults: &[Fault]) -> Self {
        let faults = faults.iter().map(|fault| *fault as u8).sum();
        Self {
            without,
            copies: 2,
            faults,
            ..Self::default()
        }
    }

    pub(crate) fn has(&self, rule: Omission) -> bool {
        self.without != Some(rule)
    }

    pub(crate) fn event_is_proof(&self) -> bool {
        self.event_age < V || !self.has(EventAges)
    }

    /// Whether *waiting*, asked now, is proof (3): more than W after every doubt.
    pub(crate) fn is_quiet(&self, r: usize) -> bool {
        let part = |rule, ticks| if self.has(rule) { ticks } else { 0 };
        let w = part(LateInW, LATE) + part(GInW, G) + part(PInW, P);
        self.redirectors[r].doubt.is_none_or(|age| age > w)
    }

    /// Right before sending (5).
    pub(crate) fn may_send(&self, r: usize) -> bool {
        let me = &self.redirectors[r];
        let age = [me.read, me.age][usize::from(self.has(AgeFromSubmission))];
        let looked = self.has(ProofFirst) || (self.is_quiet(r) && !self.moved);
        (age <= G || !self.has(IntentAges))
            && (me.sure || !self.has(CheckBeforeSend))
            && ((me.event && self.event_is_proof()) || (!me.event && looked))
    }

    pub(crate) fn suffers(&mut self, fault: Fault, choices: &mut Choices) -> bool {
        let fault = fault as u8;
        let suffers = self.faults & fault != 0 && choices.flip();
        self.faults &= if suffers { !fault } else { u8::MAX };
        suffers
    }

    /// What matters for what can come: states that agree in this have the same future.
    pub(crate) fn essence(&self) -> Self {
        let mut state = *self;
        let held = |r: &Redirector| !matches!(r.stage, Idle | Dead);
        let kill = self.faults & Fault::Kill as u8 != 0;
        let reborn = kill || self.redirectors.iter().any(|r| r.stage == Dead);
        let copies = self.copies > 0 || (kill && self.redirectors.iter().any(held));
        for me in &mut state.redirectors {
            let appended = me.appended.filter(|_| reborn);
            *me = Redirector {
                appended,
                ..if copies || held(me) {
                    *me
                } else {
                    Redirector::default()
                }
            };
        }
        state.underway.sort_unstable();
        // Which of the two is which is no matter.
        state.redirectors.sort_unstable();
        state
    }
}
