//! The kinds of weather, and of people.

use std::str::FromStr;

use fastrand::Rng;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $kind:ident = $name:literal;)*) => {
        /// A kind of weather, or of what people do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[doc = $doc])* $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its name on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// What it is.
            pub fn describe(self) -> &'static str {
                match self {
                    $(Self::$kind => concat!($($doc),*).trim_ascii_start(),)*
                }
            }
        }
    };
}

kinds! {
    /// Twilio answers slowly, up to longer than we wait.
    SlowAnswers = "slow-answers";
    /// Twilio carries updates out late, up to 30 s, after their client has given up.
    LateUpdates = "late-updates";
    /// Connections are reset right after the request was read; it is carried out, perhaps later.
    ResetAfterRead = "reset-after-read";
    /// Requests are lost on their way.
    LostRequests = "lost-requests";
    /// Answers are lost, their requests carried out.
    LostAnswers = "lost-answers";
    /// Connections are refused.
    Refused = "refused";
    /// 429, with Retry-After sane and insane.
    TooMany = "too-many";
    /// 500 and 503, carried out or not.
    ServerErrors = "server-errors";
    /// 502 and 504, carried out later or not at all.
    BadGateways = "bad-gateways";
    /// 401 for a while.
    Unauthorized = "unauthorized";
    /// A wrong 404 to anything.
    NotFound = "not-found";
    /// A wrong 404 to updates of calls.
    UpdateNotFound = "update-not-found";
    /// A wrong 404 to questions about voice queues and their members.
    QueueNotFound = "queue-not-found";
    /// A wrong 404 to the reading of calls.
    CallNotFound = "call-not-found";
    /// A wrong 404 from TaskRouter.
    TaskNotFound = "task-not-found";
    /// 429 from TaskRouter only, for an hour by its word.
    TaskRouterRefuses = "taskrouter-refuses";
    /// Event callbacks are lost.
    LostCallbacks = "lost-callbacks";
    /// Event callbacks come twice, at once or later.
    DoubledCallbacks = "doubled-callbacks";
    /// Event callbacks come minutes late.
    LateCallbacks = "late-callbacks";
    /// The answers to event callbacks are lost, so that Twilio sends them again.
    LostCallbackAnswers = "lost-callback-answers";
    /// Captured event callbacks come again, their times shifted into other names.
    ShiftedTimes = "shifted-times";
    /// Events come by Event Streams, too.
    BothWays = "both-ways";
    /// Connections to the broker are lost.
    BrokerConnections = "broker-connections";
    /// What is asked of the broker is lost, or its confirm.
    LostConfirms = "lost-confirms";
    /// The broker is slow.
    SlowBroker = "slow-broker";
    /// Deliveries are taken back from redirectors that have held them for too long.
    ConsumerTimeouts = "consumer-timeouts";
    /// The log of intents is lost, or the end of it.
    LostLog = "lost-log";
    /// Redirectors stop in order and start again.
    RedirectorsStop = "redirectors-stop";
    /// Redirectors are killed and start again.
    RedirectorsDie = "redirectors-die";
    /// Redirectors are killed right before or after something that they ask of others.
    RedirectorsDieWorking = "redirectors-die-working";
    /// Ingests stop in order and start again.
    IngestsStop = "ingests-stop";
    /// Ingests are killed and start again.
    IngestsDie = "ingests-die";
    /// Ingests are killed right before or after something that they ask of the queue.
    IngestsDieWorking = "ingests-die-working";
    /// Ingests stop and start again with another file of plans.
    OtherPlans = "other-plans";
    /// The spool is full.
    FullSpool = "full-spool";
    /// The spool can't be written or read.
    BrokenSpool = "broken-spool";
    /// Clocks are wrong by minutes.
    WrongClocks = "wrong-clocks";
    /// Redirectors stand still for up to 20 s while they write an intent.
    Freezes = "freezes";
    /// Redirectors pause for up to 3 s right before they send something.
    Pauses = "pauses";
    /// An operator replays all dead letters.
    Replays = "replays";
    /// Callers hang up, at any moment.
    HangUps = "hang-ups";
    /// Agents are offered callers, and accept, reject or ignore them.
    Agents = "agents";
    /// Agents transfer callers and consult colleagues, by tasks that copy the call.
    Transfers = "transfers";
    /// Callers come back into the workflow, by a new task.
    ComeBacks = "come-backs";
    /// Chats share the workflow.
    Chats = "chats";
    /// The time to live of callers' tasks runs out, and a plan rescues them.
    ExpiredTasks = "expired-tasks";
    /// Other software, a voicemail, takes callers off hold.
    OtherSoftware = "other-software";
}

impl Kind {
    /// Whether it befalls requests to Twilio.
    pub fn is_of_the_api(self) -> bool {
        self <= Self::TaskRouterRefuses
    }

    /// Whether it befalls single event callbacks.
    pub fn is_of_callbacks(self) -> bool {
        (Self::LostCallbacks..=Self::ShiftedTimes).contains(&self)
    }

    /// Whether it is what people do.
    pub fn is_of_people(self) -> bool {
        self >= Self::HangUps
    }

    /// What it draws in the world of a seed.
    pub(crate) fn rng(self, seed: u64) -> Rng {
        Rng::with_seed(seed ^ (self as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// No kind has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such weather; `--weather list` shows all")]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let mut all = Self::ALL.iter().copied();
        all.find(|kind| kind.name() == name).ok_or(UnknownKind)
    }
}

/// What a seed draws: one kind of weather or a few, and what people do besides calling.
pub fn kinds_of(seed: u64) -> Vec<Kind> {
    let mut rng = Rng::with_seed(seed ^ 0x77ea_7e12);
    let mut draw = |counts: &[usize], of_people: bool| {
        let all = Kind::ALL.iter().copied();
        let mut kinds: Vec<Kind> = all
            .filter(|kind| kind.is_of_people() == of_people)
            .collect();
        rng.shuffle(&mut kinds);
        kinds.truncate(counts[rng.usize(..counts.len())]);
        kinds
    };
    let mut kinds = draw(&[1, 1, 1, 2, 2, 3], false);
    kinds.extend(draw(&[0, 0, 1, 1, 2], true));
    // A redirector that is new can't know of intents that the broker has just lost: that remains
    // possible.
    let restarts = Kind::RedirectorsStop..=Kind::RedirectorsDieWorking;
    if kinds.iter().any(|kind| restarts.contains(kind)) {
        kinds.retain(|kind| *kind != Kind::LostLog);
    }
    kinds.sort_unstable();
    kinds
}
