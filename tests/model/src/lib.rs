//! The eight rules of the log of intents, tried in every order of events that two redirectors with
//! two copies of one event can meet, with one fault of each kind. Time goes in ticks.
//!
//! Numbers in comments are those of the rules in the design document. Each rule can be switched
//! off: then a caller is updated twice, or none who waits is helped. Left out is what the rules
//! don't speak of: other calls, agents, refusals, and a broker that loses confirmed entries while a
//! reader is new.

mod search;
mod steps;

pub use search::{Trouble, search};

/// How late Twilio may carry an update out.
const LATE: u8 = 1;
/// How long an intent is good.
const G: u8 = 1;
/// The longest pause between the last check and the send.
const P: u8 = 1;
/// How long an event is proof that its caller waits.
const V: u8 = 2;
/// How far a new reader reads back (7).
const READ_BACK: u8 = LATE + G + P;

/// What may be left out, each to be seen to be needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Omission {
    /// (1) A new life takes its old life's intents for its own: the incarnation is the host's name.
    NewIncarnation,
    /// (2) One's own success is no doubt.
    OwnSuccess,
    /// (2, 6) One's own update without an answer is no doubt.
    OwnUnanswered,
    /// (3) An event is proof however old it is.
    EventAges,
    /// (3) A look counts from its answer instead of its asking.
    LookByAsking,
    /// (3) A look asked too soon after a doubt is proof all the same.
    LookAfterW,
    /// (3) W without the lateness of Twilio's.
    LateInW,
    /// (3) W without the time that an intent is good for.
    GInW,
    /// (3) W without the pause before the send.
    PInW,
    /// (3) The intent is appended before the look, and the look decides.
    ProofFirst,
    /// (4) An update is sent without an intent's being read back.
    ReadBackOwn,
    /// (4) One's own intent is known by its call, so an earlier one is taken for it.
    OwnById,
    /// (5) Doubts that come before one's own entry don't matter once there is a proof.
    CheckBeforeSend,
    /// (5) Doubts behind one's own entry count too.
    BehindDoesNotCount,
    /// (5) An intent is good for ever.
    IntentAges,
    /// (5) An intent is as young as its being read back.
    AgeFromSubmission,
    /// (7) A new reader begins at the end of the log.
    ReadBackAtStart,
    /// (8) A reader that missed entries goes on as if nothing was.
    GapIsDoubt,
}

/// What can go wrong, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An update gets no answer, and is carried out late or never.
    NoAnswer = 1,
    /// A redirector is killed, if need be with an update on its way, and later starts anew.
    Kill = 2,
    /// An append succeeds and its confirm is lost, or it fails.
    ConfirmLost = 4,
    /// A redirector stands still between the last check and the send.
    Pause = 8,
    /// A reader misses entries of the log.
    Gap = 16,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::NoAnswer,
        Self::Kill,
        Self::ConfirmLost,
        Self::Pause,
        Self::Gap,
    ];
}

/// An entry of the log, as one reader will see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Entry {
    /// The intent that this reader is appending.
    Own,
    /// An earlier one of its own, never sent.
    Stale,
    /// Somebody else's, or a gap.
    Doubt,
}

/// What a redirector is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Job {
    Idle,
    Dead,
    /// At rule 3, with a copy of the event.
    Decide,
    /// Twilio is asked; `sure` as long as the answer *waiting* would be proof.
    Asking {
        sure: bool,
    },
    /// With a proof: the event, or else a look. `sure` until a doubt comes before its entry.
    Appending {
        event: bool,
        sure: bool,
        logged: bool,
        age: u8,
    },
    /// Read back: at rule 5.
    Ready {
        event: bool,
        sure: bool,
        age: u8,
        read: u8,
    },
    /// Past the last check.
    Paused {
        left: u8,
        read: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Redirector {
    job: Job,
    /// How long ago the newest doubt was read.
    doubt: Option<u8>,
    unread: [Option<Entry>; 2],
    /// Whether an intent of its own was read that could be taken for another.
    own_seen: bool,
    /// How long ago it appended, in whichever life.
    appended: u8,
}

/// Everything, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct State {
    redirectors: [Redirector; 2],
    /// Copies of the event on the queue.
    copies: u8,
    event_age: u8,
    /// Updates on their way: how long Twilio may still take.
    underway: [Option<u8>; 2],
    faults: u8,
    moved: bool,
    twice: bool,
}

/// The rules, less what is left out.
#[derive(Clone, Copy)]
pub(crate) struct Rules(pub(crate) Option<Omission>);

impl Rules {
    fn hold(self, rule: Omission) -> bool {
        self.0 != Some(rule)
    }

    fn w(self) -> u8 {
        [
            (Omission::LateInW, LATE),
            (Omission::GInW, G),
            (Omission::PInW, P),
        ]
        .into_iter()
        .map(|(part, ticks)| if self.hold(part) { ticks } else { 0 })
        .sum()
    }
}

impl Redirector {
    const NEW: Self = Self {
        job: Job::Idle,
        doubt: None,
        unread: [None; 2],
        own_seen: false,
        appended: READ_BACK + 1,
    };

    /// A reader is at most two entries behind, which is as good as any number: what matters is
    /// whether a doubt comes before its own.
    fn can_take(&self) -> bool {
        self.job == Job::Dead || self.unread[1].is_none()
    }

    /// Whether *waiting*, asked now, is proof (3).
    fn is_quiet(&self, rules: Rules) -> bool {
        self.doubt.is_none_or(|age| age > rules.w())
    }

    fn log(&mut self, entry: Entry) {
        if self.job == Job::Dead {
            return;
        }
        if let Some(place) = self.unread.iter_mut().find(|place| place.is_none()) {
            *place = Some(entry);
        }
    }

    fn read(&mut self, rules: Rules) {
        let [Some(entry), second] = self.unread else {
            return;
        };
        self.unread = [second, None];
        match (entry, &mut self.job) {
            (Entry::Doubt, job) => {
                self.doubt = Some(0);
                match job {
                    Job::Asking { sure } | Job::Appending { sure, .. } => *sure = false,
                    Job::Ready { sure, .. } if !rules.hold(Omission::BehindDoesNotCount) => {
                        *sure = false
                    }
                    _ => {}
                }
            }
            (Entry::Own, Job::Appending { .. }) => self.read_back(rules),
            _ => {}
        }
        self.own_seen |= entry != Entry::Doubt && !rules.hold(Omission::OwnById);
    }

    fn read_back(&mut self, rules: Rules) {
        if let Job::Appending {
            event, sure, age, ..
        } = self.job
        {
            // To count from the submission is stricter, and leaves fewer states.
            let read = if rules.hold(Omission::AgeFromSubmission) {
                age
            } else {
                0
            };
            self.job = Job::Ready {
                event,
                sure,
                age,
                read,
            };
        }
    }

    /// The own intent, read so long ago, is doubt from now on (2).
    fn doubts_itself(&mut self, read: u8) {
        self.doubt = Some(self.doubt.map_or(read, |age| age.min(read)));
    }

    fn go_on_unread(&mut self, rules: Rules) {
        self.read_back(rules);
        self.forget_own();
    }

    /// The entry is not known to be in the log.
    fn forget_append(&mut self) {
        self.job = Job::Decide;
        self.forget_own();
    }

    /// (8) A gap is a doubt about every call.
    fn miss(&mut self, rules: Rules) {
        if let Job::Appending { logged: true, .. } = self.job {
            self.job = Job::Decide;
        }
        self.unread = [None; 2];
        if rules.hold(Omission::GapIsDoubt) {
            self.log(Entry::Doubt);
        }
    }

    fn forget_own(&mut self) {
        for entry in self
            .unread
            .iter_mut()
            .flatten()
            .filter(|entry| **entry == Entry::Own)
        {
            *entry = Entry::Stale;
        }
    }
}

impl State {
    const START: Self = Self {
        redirectors: [Redirector::NEW; 2],
        copies: 2,
        event_age: 0,
        underway: [None; 2],
        faults: 0,
        moved: false,
        twice: false,
    };

    /// The same, changed.
    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = *self;
        change(&mut next);
        next
    }

    fn event_is_proof(&self, rules: Rules) -> bool {
        self.event_age < V || !rules.hold(Omission::EventAges)
    }
}
