//! TaskRouter events, as the form of an event callback and as Event Streams' CloudEvents.
//!
//! Only what a redirect needs is read. Twilio adds parameters without notice and writes some dates
//! differently in different products, so everything else is left alone.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::json::{self, Object};
use crate::rest::AssignmentStatus;
use crate::{
    AccountSid, EventError, EventSid, FormParams, InvalidSid, TaskAttributes, TaskQueueSid,
    TaskSid, WorkflowSid, WorkspaceSid,
};

/// What CloudEvents put before the name of a TaskRouter event.
pub const CLOUD_EVENT_PREFIX: &str = "com.twilio.taskrouter.";

/// The type of the event by which `overflow doctor` tries ingest: no event of Twilio's.
pub const PROBE_EVENT: &str = "overflow.doctor";

/// The events that may mean a stranded caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    /// `task-queue.entered`: a task entered a queue of its workflow.
    TaskQueueEntered,
    /// `task.canceled`: a task ended; its call may not have.
    TaskCanceled,
    /// `workflow.timeout`: a task fell off the end of its workflow and is gone; its call waits on.
    WorkflowTimeout,
}

impl EventType {
    /// All of them, as an events filter lists them.
    pub const ALL: [Self; 3] = [
        Self::TaskQueueEntered,
        Self::TaskCanceled,
        Self::WorkflowTimeout,
    ];

    /// Twilio's name of the event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TaskQueueEntered => "task-queue.entered",
            Self::TaskCanceled => "task.canceled",
            Self::WorkflowTimeout => "workflow.timeout",
        }
    }

    /// Its name among CloudEvents.
    pub fn cloud_event_name(self) -> String {
        format!("{CLOUD_EVENT_PREFIX}{}", self.as_str())
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

/// One event of those that may mean a stranded caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRouterEvent {
    /// Which event.
    pub event_type: EventType,
    /// The event's own SID, the same when it is delivered again; the task's stand-in where the
    /// event has none.
    pub sid: EventSid,
    /// The account of the workspace.
    pub account_sid: AccountSid,
    /// The workspace.
    pub workspace_sid: WorkspaceSid,
    /// The task.
    pub task_sid: TaskSid,
    /// The task's call, and whether somebody is in conversation with the caller.
    pub attributes: TaskAttributes,
    /// The task queue that the task entered, or was in at last.
    pub task_queue_sid: Option<TaskQueueSid>,
    /// The workflow that routes the task.
    pub workflow_sid: Option<WorkflowSid>,
    /// When it happened, by Twilio's clock, to the millisecond where Twilio says so.
    pub timestamp: Option<Timestamp>,
    /// When the task was created, by its age and the time of the event.
    pub task_created_at: Option<Timestamp>,
    /// Whether Twilio must be asked before the event is acted upon: its time is not clear, or it
    /// doesn't say of its task that it is pending, and nothing else.
    ///
    /// Twilio's signature has no mark between a parameter's name, its value and the next name.
    /// Whoever holds one signed callback can move characters across, and so hide a parameter; what
    /// an event doesn't say must therefore never make it more credible.
    pub verify: bool,
    /// Of a [`EventType::TaskCanceled`], what its reason says of the caller.
    pub cancel_reason: CancelReason,
}

/// What the reason of a cancelled task says of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// The task ran out of time, of attempts or of workflow steps: its call waits on.
    LeftWaiting,
    /// The caller hung up.
    HungUp,
    /// None, or one that we don't know.
    Unknown,
}

impl CancelReason {
    /// TaskRouter's words differ from one place to the next: `Task TTL Exceeded`, `Task TTL
    /// Exceeded or Max assignment count exceeded`, `Task canceled on Workflow timeout`, `hangup`.
    fn from_words(reason: &str) -> Self {
        let reason = reason.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| reason.contains(words));
        if says(&[
            "task ttl exceeded",
            "max assignment count exceeded",
            "task canceled on workflow timeout",
        ]) {
            Self::LeftWaiting
        } else if says(&["hangup", "hung up"]) {
            Self::HungUp
        } else {
            Self::Unknown
        }
    }
}

/// A parameter's name in a form, and in a CloudEvent's payload.
type Name = (&'static str, &'static str);

const EVENT_TYPE: Name = ("EventType", "eventtype");
const SID: Name = ("Sid", "sid");
const ACCOUNT_SID: Name = ("AccountSid", "account_sid");
const WORKSPACE_SID: Name = ("WorkspaceSid", "workspace_sid");
const TASK_SID: Name = ("TaskSid", "task_sid");
const TASK_ATTRIBUTES: Name = ("TaskAttributes", "task_attributes");
const TASK_QUEUE_SID: Name = ("TaskQueueSid", "task_queue_sid");
const WORKFLOW_SID: Name = ("WorkflowSid", "workflow_sid");
const TIMESTAMP: Name = ("Timestamp", "timestamp");
const TIMESTAMP_MS: Name = ("TimestampMs", "timestamp_ms");
const TASK_AGE: Name = ("TaskAge", "task_age");
const TASK_ASSIGNMENT_STATUS: Name = ("TaskAssignmentStatus", "task_assignment_status");
/// Documentation and practice disagree on what the reason is called.
const REASONS: [Name; 3] = [
    ("Reason", "reason"),
    ("TaskCanceledReason", "task_canceled_reason"),
    ("reason", "Reason"),
];

impl TaskRouterEvent {
    /// Reads the form of an event callback; `None` for an event of another type, whose other
    /// parameters are not looked at.
    ///
    /// # Errors
    /// It has no type, or is of ours and lacks what every such event has.
    pub fn from_form(params: &FormParams) -> Result<Option<Self>, EventError> {
        Self::read(&Form(params), None)
    }

    /// Of a form that says that a task entered a task queue: the account, and the task queue. Most
    /// callbacks are of queues with agents, and need not be read further, though the rest may be
    /// unreadable.
    pub fn entered(params: &FormParams) -> Option<(AccountSid, TaskQueueSid)> {
        let form = Form(params);
        let entered = form.get(EVENT_TYPE)? == EventType::TaskQueueEntered.as_str();
        let of = || Some((form.readable(ACCOUNT_SID)?, form.readable(TASK_QUEUE_SID)?));
        entered.then(of)?
    }

    /// Reads the body that an Event Streams webhook sink posts: an array of CloudEvents, each
    /// read by itself.
    ///
    /// # Errors
    /// The body as a whole is no JSON array.
    pub fn from_cloud_events(
        body: &[u8],
    ) -> Result<Vec<Result<Option<Self>, EventError>>, EventError> {
        let body = String::from_utf8_lossy(body);
        let events: Vec<&RawValue> = serde_json::from_str(&body)
            .map_err(|e| EventError::NotCloudEvents(json::problem(&e, "not an array")))?;
        Ok(events
            .into_iter()
            .map(|event| Self::from_cloud_event(event.get()))
            .collect())
    }

    fn from_cloud_event(event: &str) -> Result<Option<Self>, EventError> {
        let event = object("CloudEvent", Some(event))?;
        let name = event.text("type").ok_or(EventError::Missing("type"))?;
        let Some(name) = name.strip_prefix(CLOUD_EVENT_PREFIX) else {
            return Ok(None);
        };
        if EventType::from_name(name).is_none() {
            return Ok(None);
        }
        // Both are documented as objects, and sent as strings that hold one, too.
        let data = event.text("data");
        let data = object("data", data.as_deref())?;
        let payload = data.text("payload");
        let payload = object("data.payload", payload.as_deref())?;
        Self::read(&Payload(payload), Some(name))
    }

    fn read(fields: &impl Fields, name: Option<&str>) -> Result<Option<Self>, EventError> {
        let own = match name {
            Some(_) => None,
            None => Some(fields.require(EVENT_TYPE)?),
        };
        let Some(event_type) = EventType::from_name(name.or(own.as_deref()).unwrap_or_default())
        else {
            return Ok(None);
        };
        let task_sid: TaskSid = fields.sid(TASK_SID)?;
        let attributes = match fields.get(TASK_ATTRIBUTES) {
            Some(attributes) => TaskAttributes::parse(&attributes)?,
            None => TaskAttributes::default(),
        };
        let status = fields.get(TASK_ASSIGNMENT_STATUS).unwrap_or_default();
        let pending = AssignmentStatus::from_name(&status) == AssignmentStatus::Pending;
        let (timestamp, clear) = fields.time();
        let age = fields.get(TASK_AGE).and_then(|age| age.parse::<u32>().ok());
        let created = |at: Timestamp| Some(at - Duration::from_secs(age?.into()));
        let reason = REASONS.into_iter().find_map(|name| fields.get(name));
        Ok(Some(Self {
            event_type,
            sid: fields
                .readable(SID)
                .unwrap_or_else(|| task_sid.stand_in_event()),
            account_sid: fields.sid(ACCOUNT_SID)?,
            workspace_sid: fields.sid(WORKSPACE_SID)?,
            task_sid,
            attributes,
            task_queue_sid: match event_type {
                EventType::TaskQueueEntered => Some(fields.sid(TASK_QUEUE_SID)?),
                _ => fields.optional_sid(TASK_QUEUE_SID)?,
            },
            workflow_sid: fields.readable(WORKFLOW_SID),
            timestamp,
            task_created_at: timestamp.and_then(created),
            verify: !clear || !pending || fields.mention_a_transfer(),
            cancel_reason: CancelReason::from_words(&reason.unwrap_or_default()),
        }))
    }
}

fn object<'a>(what: &'static str, json: Option<&'a str>) -> Result<Object<'a>, EventError> {
    let json = json.ok_or(EventError::Missing(what))?;
    Object::parse(json).map_err(|_| EventError::Invalid(what, "not a JSON object".into()))
}

/// The parameters of an event, whichever way it came.
trait Fields {
    /// The value of a parameter that is there and not empty.
    fn get(&self, name: Name) -> Option<Cow<'_, str>>;

    /// The name to complain about.
    fn label(name: Name) -> &'static str;

    fn require(&self, name: Name) -> Result<Cow<'_, str>, EventError> {
        self.get(name).ok_or(EventError::Missing(Self::label(name)))
    }

    fn sid<S: FromStr<Err = InvalidSid>>(&self, name: Name) -> Result<S, EventError> {
        let text = self.require(name)?;
        text.parse()
            .map_err(|e: S::Err| EventError::Invalid(Self::label(name), e.to_string()))
    }

    fn optional_sid<S: FromStr<Err = InvalidSid>>(
        &self,
        name: Name,
    ) -> Result<Option<S>, EventError> {
        match self.get(name) {
            Some(_) => self.sid(name).map(Some),
            None => Ok(None),
        }
    }

    /// A value that the event can do without.
    fn readable<T: FromStr>(&self, name: Name) -> Option<T> {
        self.get(name)?.parse().ok()
    }

    /// The event's time, and whether it is clear: all that is said of it can be read and means the
    /// same second. Milliseconds where they are given, else seconds or ISO 8601.
    fn time(&self) -> (Option<Timestamp>, bool) {
        let ms = self.get(TIMESTAMP_MS).map(|text| {
            let ms = text.parse().ok()?;
            Timestamp::from_millisecond(ms).ok()
        });
        let seconds = self.get(TIMESTAMP).map(|text| match text.parse() {
            Ok(seconds) => Timestamp::from_second(seconds).ok(),
            Err(_) => text.parse().ok(),
        });
        match (ms, seconds) {
            (Some(Some(ms)), Some(Some(seconds))) => {
                (Some(ms), ms.as_second() == seconds.as_second())
            }
            (Some(time), None) | (None, Some(time)) => (time, time.is_some()),
            (ms, seconds) => (ms.flatten().or(seconds.flatten()), false),
        }
    }

    /// Whether a parameter other than the attributes tells of a transfer, as `TaskTransferSid` and
    /// `TransferMode` do. A queue's name that does costs no more than a question to Twilio.
    fn mention_a_transfer(&self) -> bool;
}

struct Form<'a>(&'a FormParams);

impl Fields for Form<'_> {
    fn get(&self, name: Name) -> Option<Cow<'_, str>> {
        self.0.get(name.0).map(Cow::Borrowed)
    }

    fn label(name: Name) -> &'static str {
        name.0
    }

    fn mention_a_transfer(&self) -> bool {
        // As the signature sees them: the name may have been moved into the value, or another's.
        self.0
            .signed()
            .filter(|(_, name)| *name != TASK_ATTRIBUTES.0)
            .any(|(signed, _)| signed.contains("Transfer"))
    }
}

struct Payload<'a>(Object<'a>);

impl Fields for Payload<'_> {
    fn get(&self, name: Name) -> Option<Cow<'_, str>> {
        self.0.text(name.1)
    }

    fn label(name: Name) -> &'static str {
        name.1
    }

    fn mention_a_transfer(&self) -> bool {
        // Signed as a whole, with fields that are there and null.
        self.0
            .keys()
            .any(|key| key.contains("transfer") && self.0.text(key).is_some())
    }
}
