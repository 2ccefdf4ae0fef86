//! The picture itself.

use std::time::Duration;

use jiff::Timestamp;
use queue::{CallerEnd, OutcomeKind};
use serde::{Serialize, Serializer};
use service::report::{Api, Stage, Trouble};
use twilio::{CallSid, TaskSid};

/// How everything stands at a moment. It holds SIDs, and no caller's number.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// The moment.
    pub at: Timestamp,
    /// One sentence: "2 callers waiting, the longest 4 s; all parts well.", or what isn't well.
    pub sentence: String,
    /// What isn't well, the worst first; empty when all is well.
    pub not_well: Vec<NotWell>,
    /// How many wait, as far as they can be counted; `None` while the queue can't be used, for nothing
    /// is known of them then.
    pub callers: Option<u64>,
    /// How many of them are on the queue, where nobody has taken them yet: they are known by their
    /// number only.
    pub queued: Option<u64>,
    /// Who waits, the longest first, as far as they are known.
    pub waiting: Vec<Waiting>,
    /// When all voice queues were last looked at for callers whom nobody of us has.
    pub swept_at: Option<Timestamp>,
    /// The last redirects, the newest first.
    pub recent: Vec<Recent>,
    /// The dead letters.
    pub dead: DeadLetters,
    /// The plans as they are in force now.
    pub plans: Vec<PlanNow>,
    /// The last 24 hours.
    pub day: Day,
    /// Which processes have said how they stand, by name, and their versions.
    pub processes: Vec<Process>,
}

/// A process of ours.
#[derive(Debug, Clone, Serialize)]
pub struct Process {
    /// Its name: role, host and process ID.
    pub name: String,
    /// Its version.
    pub version: String,
    /// When it last said how it stands.
    pub heard_at: Timestamp,
    /// Whether it should have said so since, and didn't.
    pub is_silent: bool,
    /// Whether it is stopping.
    pub is_stopping: bool,
    /// What keeps it from being ready.
    pub troubles: Vec<Trouble>,
    /// How many deliveries it holds, if it redirects.
    pub held: Option<u64>,
    /// How many messages are in its spool, if it takes callbacks.
    pub spooled: Option<u64>,
    /// How its requests to Twilio stand, if it redirects.
    pub apis: Vec<Api>,
}

/// Something that isn't well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotWell {
    /// What.
    pub what: String,
    /// What to do about it.
    pub to_do: String,
}

/// A caller who waits.
#[derive(Debug, Clone, Serialize)]
pub struct Waiting {
    /// Their task.
    pub task_sid: Option<TaskSid>,
    /// Their call.
    pub call_sid: CallSid,
    /// The name of the plan.
    pub plan: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Where they are with us.
    #[serde(flatten)]
    pub whereabouts: Whereabouts,
}

/// Where a caller who waits is with us.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "where", rename_all = "kebab-case")]
pub enum Whereabouts {
    /// On the queue: the last sweep saw them on hold, and requests wait there.
    Queue,
    /// At a redirector.
    AtRedirector {
        /// Which process.
        process: String,
        /// What is being done.
        stage: Stage,
    },
    /// At a redirector, and tried before.
    Retried {
        /// Which process.
        process: String,
        /// How many updates were sent.
        attempts: u32,
        /// Why the last one failed.
        last_error: Option<String>,
        /// When the next one is due.
        next_at: Option<Timestamp>,
    },
    /// In the spool of an ingest.
    Spool {
        /// Which process.
        process: String,
    },
    /// On hold at Twilio, and none of us has them: the sweep takes them up.
    Nobody,
    /// On hold at Twilio, and their request is a dead letter.
    GivenUp,
}

/// A redirect, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Recent {
    /// The caller's call.
    pub call_sid: CallSid,
    /// Their task.
    pub task_sid: TaskSid,
    /// The plan.
    pub plan: String,
    /// When.
    pub at: Timestamp,
    /// From the event to the redirect.
    #[serde(rename = "took_ms", serialize_with = "millis")]
    pub took: Duration,
    /// The last outcome that is known.
    pub outcome: Option<OutcomeKind>,
    /// What became of the caller, once that is known.
    pub end: Option<CallerEnd>,
}

/// The dead letters.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DeadLetters {
    /// How many there are.
    pub count: u64,
    /// When they were looked at, if they were.
    pub seen_at: Option<Timestamp>,
    /// How many became dead letters within the hour before that, among those that were looked at.
    pub within_the_hour: u64,
    /// Those that are shown, oldest first.
    pub shown: Vec<DeadLetter>,
    /// How many there are of each reason, among those that were looked at.
    pub by_reason: Vec<(String, usize)>,
}

/// A dead letter.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetter {
    /// Its ID.
    pub id: String,
    /// The reason, as the command line names it.
    pub reason: String,
    /// The reason in words.
    pub why: String,
    /// How many attempts were made.
    pub attempts: u32,
    /// The last error.
    pub last_error: Option<String>,
    /// When it died.
    pub died_at: Timestamp,
    /// The caller's call, if it can be read.
    pub call_sid: Option<CallSid>,
}

/// A plan now.
#[derive(Debug, Clone, Serialize)]
pub struct PlanNow {
    /// Its name.
    pub name: String,
    /// Its steps; one for a plan of one number.
    pub steps: Vec<StepNow>,
    /// When that changes next.
    pub changes_at: Option<Timestamp>,
}

/// A step of a plan now.
#[derive(Debug, Clone, Serialize)]
pub struct StepNow {
    /// What it does, numbers masked but for the last two digits.
    pub masked: String,
    /// What it does, with whole numbers: only for those who signed in.
    #[serde(skip)]
    pub whole: String,
    /// Whether it is in force.
    pub in_force: bool,
}

/// The last 24 hours.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Day {
    /// Whether all of it has been read.
    pub is_whole: bool,
    /// Each plan.
    pub plans: Vec<PlanDay>,
    /// Each hour, the oldest first.
    pub hours: Vec<Hour>,
}

/// An hour.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Hour {
    /// When it began.
    pub from: Timestamp,
    /// Callers redirected.
    pub redirected: u64,
    /// Of whom it is known that somebody had them, or that they left a message: they are counted by the
    /// hour of the redirect.
    pub taken: u64,
    /// Of whom it is known that nobody had them, counted likewise.
    pub missed: u64,
}

/// A plan in the last 24 hours.
#[derive(Debug, Clone, Serialize)]
pub struct PlanDay {
    /// Its name.
    pub name: String,
    /// Callers redirected.
    pub redirected: u64,
    /// Callers whom somebody had.
    pub taken: u64,
    /// Callers who left a message.
    pub recorded: u64,
    /// Callers missed.
    pub missed: u64,
    /// The median time to redirect.
    #[serde(rename = "p50_ms", serialize_with = "maybe_millis")]
    pub p50: Option<Duration>,
    /// The time within which 95 of 100 were redirected.
    #[serde(rename = "p95_ms", serialize_with = "maybe_millis")]
    pub p95: Option<Duration>,
}

fn millis<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    maybe_millis(&Some(*span), serializer)
}

fn maybe_millis<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    let millis = span.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    millis.serialize(serializer)
}
