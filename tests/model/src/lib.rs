//! The eight rules of the log of intents, tried in every order of events that two redirectors with
//! two copies of one event can meet, with one fault of each kind. Time goes in ticks.
//!
//! Numbers in comments are those of the rules in the design document. Each rule can be switched
//! off: then a caller is updated twice, or none who waits is helped. Left out is what the rules
//! don't speak of: other calls, agents, refusals, and a broker that loses confirmed entries while a
//! reader is new.

mod choices;
mod search;
mod state;
mod turn;

pub use search::{Trouble, search};

/// What may be left out, each to be seen to be needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
