//! What is promised to callers, and what is noticed of it while it happens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use twilio::CallSid;

/// How often Twilio is told to ask what comes next.
const ATTEMPTS: u32 = 6;

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// A caller whom we had moved was updated again.
    MovedTwice,
    /// A conversation with somebody else was cut.
    ConversationCut,
    /// A caller was moved whose task had not come to the placeholder queue.
    MovedTooEarly,
    /// A caller is on hold long after the weather has cleared.
    LeftOnHold,
    /// The task of a caller who was on hold was closed.
    TaskClosed,
    /// The task of a conference, transfer or consultation was closed.
    TransferClosed,
    /// A caller who was helped is a dead letter.
    DeadLetter,
    /// A caller who waits is a dead letter, though Twilio could be reached.
    GivenUp,
    /// An event was answered with a 2xx and is nowhere.
    EventLost,
    /// A request never came to an end.
    NeverSettled,
    /// A caller on a ladder was hung up without a word, or came to a mailbox that should have been
    /// asked for a key.
    LeftInSilence,
    /// A caller's ladder never came to its end.
    NeverOver,
    /// Two steps rang phones for a caller at once.
    DialledTwiceAtOnce,
    /// Somebody got a caller without the key that they should have pressed.
    GivenAway,
    /// Somebody was rung for a caller who had been talked to.
    RungAfterTalk,
    /// A caller heard Twilio's own apology, though ingest could be asked what comes next.
    Apology,
    /// Ingest was asked what comes next, and said nothing at once, or nothing that Twilio takes.
    NoAnswer,
    /// Something was told of a caller, or of an attempt to reach somebody, that did not happen.
    Invented,
    /// A caller's call is over, and nobody was told what became of them.
    Untold,
    /// It was told twice what became of a caller, and not as the same.
    EndsTwice,
    /// Something of ours panicked.
    Panic,
}

impl Promise {
    /// In words.
    pub fn broken(self) -> &'static str {
        match self {
            Self::MovedTwice => "a caller was moved twice",
            Self::ConversationCut => "a conversation was cut",
            Self::MovedTooEarly => "a caller was moved before the placeholder queue",
            Self::LeftOnHold => "a caller was left on hold",
            Self::TaskClosed => "the task of a caller on hold was closed",
            Self::TransferClosed => "the task of a transfer was closed",
            Self::DeadLetter => "a caller was helped, and is a dead letter",
            Self::GivenUp => "a caller was given up, though Twilio said that they wait",
            Self::EventLost => "an event was answered with 2xx, and is lost",
            Self::NeverSettled => "a request never came to an end",
            Self::LeftInSilence => "a caller on a ladder was left in silence",
            Self::NeverOver => "a caller's ladder never came to its end",
            Self::DialledTwiceAtOnce => "two steps rang phones for a caller at once",
            Self::GivenAway => "somebody got a caller without a key",
            Self::RungAfterTalk => "somebody was rung for a caller who had been talked to",
            Self::Apology => "a caller heard an application error",
            Self::NoAnswer => "ingest did not say what comes next",
            Self::Invented => "something was told that did not happen",
            Self::Untold => "nobody was told what became of a caller",
            Self::EndsTwice => "a caller's end was told twice, as two",
            Self::Panic => "something panicked",
        }
    }
}

/// A promise that was broken, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// To whom, where it is known.
    pub call: Option<CallSid>,
}

/// What is noticed while it happens. Clones are the same.
#[derive(Clone, Default)]
pub struct Notes(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    broken: Vec<Broken>,
    /// When each update was sent, by Twilio's name of it.
    sent: BTreeMap<String, Duration>,
    requests: usize,
    updates: usize,
    /// What Twilio asks for, by the leg that it asks for, and how often it did so in vain.
    in_vain: BTreeMap<CallSid, (String, u32)>,
}

impl Notes {
    /// A promise is broken.
    pub fn broken(&self, promise: Promise, call: Option<CallSid>) {
        self.with(|noted| noted.broken.push(Broken { promise, call }));
    }

    /// A request is made to Twilio.
    pub fn request(&self, updates: bool) {
        self.with(|noted| {
            noted.requests += 1;
            noted.updates += usize::from(updates);
        });
    }

    /// How many requests were made to Twilio.
    pub fn requests(&self) -> usize {
        self.with(|noted| noted.requests)
    }

    /// How many of them were updates of calls.
    pub fn updates(&self) -> usize {
        self.with(|noted| noted.updates)
    }

    /// An update is carried out that was sent at `at`.
    pub fn sent(&self, request_id: &str, at: Duration) {
        self.with(|noted| noted.sent.insert(request_id.to_owned(), at));
    }

    /// Twilio asks what comes next for a leg, and may not hear it.
    pub fn asks(&self, leg: CallSid, path: &str) {
        self.with(|noted| {
            let asked = noted.in_vain.entry(leg).or_default();
            if asked.0 != path {
                *asked = (path.to_owned(), 0);
            }
            asked.1 += 1;
        });
    }

    /// It hears it.
    pub fn hears(&self, leg: CallSid) {
        self.with(|noted| noted.in_vain.remove(&leg));
    }

    /// Whether Twilio could hear what comes next for a leg, if it asked as often as it was told to.
    pub fn could_ask(&self, leg: CallSid) -> bool {
        self.with(|noted| noted.in_vain.get(&leg).is_none_or(|(_, n)| *n < ATTEMPTS))
    }

    /// The promises that were noticed to be broken, and when each update was sent.
    pub fn taken(&self) -> (Vec<Broken>, BTreeMap<String, Duration>) {
        self.with(|noted| (noted.broken.clone(), noted.sent.clone()))
    }

    fn with<T>(&self, what: impl FnOnce(&mut Noted) -> T) -> T {
        what(&mut self.0.lock())
    }
}
