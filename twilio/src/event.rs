//! TaskRouter events, as the form of an event callback and as Event Streams' CloudEvents.
//!
//! Only what a redirect needs is read. Twilio adds parameters without notice and writes some dates
//! differently in different products, so everything else is left alone.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    AccountSid, CallSid, EventSid, FormParams, TaskQueueSid, TaskSid, WorkflowSid, WorkspaceSid,
};

/// What CloudEvents put before the name of a TaskRouter event.
pub const CLOUD_EVENT_PREFIX: &str = "com.twilio.taskrouter.";

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

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

/// One event of those that may mean a stranded caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRouterEvent {
    /// Which event.
    pub event_type: EventType,
    /// The event's own SID, the same when it is delivered again.
    pub sid: EventSid,
    /// The account of the workspace.
    pub account_sid: AccountSid,
    /// The workspace.
    pub workspace_sid: WorkspaceSid,
    /// The task.
    pub task_sid: TaskSid,
    /// What the task's attributes say.
    pub attributes: TaskAttributes,
    /// Whether the task waits for a worker, as far as the event says.
    pub is_pending: bool,
    /// The task queue that the task entered, or was in at last.
    pub task_queue_sid: Option<TaskQueueSid>,
    /// The workflow that routes the task.
    pub workflow_sid: Option<WorkflowSid>,
    /// When it happened, by Twilio's clock, to the millisecond where Twilio says so.
    pub timestamp: Option<Timestamp>,
    /// Whether a [`EventType::TaskCanceled`] came from the task's time to live running out.
    pub ttl_exceeded: bool,
}

/// Why an event can't be read. Names the parameter; never repeats its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The body is not an array of JSON objects.
    #[error("the body is no JSON array of CloudEvents: {0}")]
    NotCloudEvents(String),
    /// A parameter that every event has is missing.
    #[error("parameter {0} is missing")]
    Missing(&'static str),
    /// A parameter holds something else than it should.
    #[error("parameter {0}: {1}")]
    Invalid(&'static str, String),
}

/// A parameter's name in a form, and in a CloudEvent's payload.
type Name = (&'static str, &'static str);

const EVENT_TYPE: Name = ("EventType", "eventtype");
const SID: Name = ("Sid", "sid");
const ACCOUNT_SID: Name = ("AccountSid", "account_sid");
const WORKSPACE_SID: Name = ("WorkspaceSid", "workspace_sid");
const TASK_SID: Name = ("TaskSid", "task_sid");
const TASK_ATTRIBUTES: Name = ("TaskAttributes", "task_attributes");
const ASSIGNMENT_STATUS: Name = ("TaskAssignmentStatus", "task_assignment_status");
const TASK_QUEUE_SID: Name = ("TaskQueueSid", "task_queue_sid");
const WORKFLOW_SID: Name = ("WorkflowSid", "workflow_sid");
const TIMESTAMP: Name = ("Timestamp", "timestamp");
const TIMESTAMP_MS: Name = ("TimestampMs", "timestamp_ms");
/// Documentation and practice disagree on what the reason is called.
const REASONS: [Name; 3] = [
    ("Reason", "reason"),
    ("TaskCanceledReason", "task_canceled_reason"),
    ("reason", "Reason"),
];
const TTL_EXCEEDED: &str = "Task TTL Exceeded";

impl TaskRouterEvent {
    /// Reads the form of an event callback; `None` for an event of another type, whose other
    /// parameters are not looked at.
    ///
    /// # Errors
    /// It has no type, or is of ours and lacks what every such event has.
    pub fn from_form(params: &FormParams<'_>) -> Result<Option<Self>, EventError> {
        Self::read(&Form(params), None)
    }

    /// Reads the body that an Event Streams webhook sink posts: an array of CloudEvents, each
    /// read by itself.
    ///
    /// # Errors
    /// The body as a whole is no JSON array.
    pub fn from_cloud_events(
        body: &[u8],
    ) -> Result<Vec<Result<Option<Self>, EventError>>, EventError> {
        let events: Vec<Value> = serde_json::from_slice(body)
            .map_err(|e| EventError::NotCloudEvents(json_problem(&e, "not an array")))?;
        Ok(events.into_iter().map(Self::from_cloud_event).collect())
    }

    fn from_cloud_event(event: Value) -> Result<Option<Self>, EventError> {
        let mut event = object("CloudEvent", event)?;
        let name = match event.get("type") {
            Some(Value::String(name)) => name.clone(),
            _ => return Err(EventError::Missing("type")),
        };
        let Some(name) = name.strip_prefix(CLOUD_EVENT_PREFIX) else {
            return Ok(None);
        };
        if EventType::from_name(name).is_none() {
            return Ok(None);
        }
        let mut data = object("data", event.remove("data").unwrap_or_default())?;
        let payload = object("data.payload", data.remove("payload").unwrap_or_default())?;
        Self::read(&Payload(&payload), Some(name))
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
        let reason = REASONS.into_iter().find_map(|name| fields.get(name));
        Ok(Some(Self {
            event_type,
            sid: fields.sid(SID)?,
            account_sid: fields.sid(ACCOUNT_SID)?,
            workspace_sid: fields.sid(WORKSPACE_SID)?,
            task_sid: fields.sid(TASK_SID)?,
            attributes: match fields.get(TASK_ATTRIBUTES) {
                Some(attributes) => TaskAttributes::read(&attributes)?,
                None => TaskAttributes::default(),
            },
            is_pending: fields
                .get(ASSIGNMENT_STATUS)
                .is_none_or(|status| status == "pending"),
            task_queue_sid: match event_type {
                EventType::TaskQueueEntered => Some(fields.sid(TASK_QUEUE_SID)?),
                _ => fields.optional_sid(TASK_QUEUE_SID)?,
            },
            workflow_sid: fields.optional_sid(WORKFLOW_SID)?,
            timestamp: fields.timestamp(),
            ttl_exceeded: reason.is_some_and(|reason| reason == TTL_EXCEEDED),
        }))
    }
}

/// What a task's attributes say that matters to us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskAttributes {
    /// The call that the task stands for; none for a chat, say.
    pub call_sid: Option<CallSid>,
    /// Whether the call is, or was, in a conference of Flex, or is being transferred: then the
    /// caller is with somebody, whatever queue the task is in.
    pub in_conference: bool,
}

impl TaskAttributes {
    /// Reads them: any JSON, by Twilio's rules, though an object in Flex.
    ///
    /// # Errors
    /// They are not JSON, or `call_sid` is no call SID.
    pub fn read(attributes: &str) -> Result<Self, EventError> {
        let invalid = |problem: String| EventError::Invalid(TASK_ATTRIBUTES.0, problem);
        let attributes: Value =
            serde_json::from_str(attributes).map_err(|e| invalid(json_problem(&e, "not JSON")))?;
        let Value::Object(attributes) = attributes else {
            return Ok(Self::default());
        };
        let call_sid = match attributes.get("call_sid") {
            None | Some(Value::Null) => None,
            Some(Value::String(sid)) if sid.is_empty() => None,
            Some(Value::String(sid)) => {
                let parsed = sid.parse();
                Some(parsed.map_err(|e| invalid(format!("call_sid is {e}")))?)
            }
            Some(_) => return Err(invalid("call_sid is not a string".to_owned())),
        };
        let says = |name: &str| {
            let value = attributes.get(name).unwrap_or(&Value::Null);
            !matches!(value, Value::Null | Value::Bool(false)) && value != ""
        };
        Ok(Self {
            call_sid,
            in_conference: CONFERENCE.into_iter().any(says),
        })
    }
}

/// The attributes that Flex and its transfer plugins give a task whose caller is with somebody.
const CONFERENCE: [&str; 5] = [
    "conference",
    "transferMeta",
    "transferTargetType",
    "transferring",
    "transfer",
];

/// Where the JSON is wrong: not JSON at all, or JSON of another kind than wanted. serde_json's own
/// words may quote a value, a caller's number for one.
fn json_problem(error: &serde_json::Error, wrong_kind: &str) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => wrong_kind,
        _ => "not JSON",
    };
    format!("{what}, at line {} column {}", error.line(), error.column())
}

fn object(what: &'static str, value: Value) -> Result<Map<String, Value>, EventError> {
    match value {
        Value::Object(map) => Ok(map),
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(Value::Object(map)) => Ok(map),
            _ => Err(EventError::Invalid(what, "not a JSON object".into())),
        },
        Value::Null => Err(EventError::Missing(what)),
        _ => Err(EventError::Invalid(what, "not a JSON object".into())),
    }
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

    fn sid<S: std::str::FromStr<Err = crate::InvalidSid>>(
        &self,
        name: Name,
    ) -> Result<S, EventError> {
        let text = self.require(name)?;
        text.parse()
            .map_err(|e: S::Err| EventError::Invalid(Self::label(name), e.to_string()))
    }

    fn optional_sid<S: std::str::FromStr<Err = crate::InvalidSid>>(
        &self,
        name: Name,
    ) -> Result<Option<S>, EventError> {
        match self.get(name) {
            Some(_) => self.sid(name).map(Some),
            None => Ok(None),
        }
    }

    /// Milliseconds where they are given, else seconds or ISO 8601. A time that can't be read is
    /// none: the caller matters more.
    fn timestamp(&self) -> Option<Timestamp> {
        let number = |name| self.get(name)?.parse::<i64>().ok();
        number(TIMESTAMP_MS)
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .or_else(|| Timestamp::from_second(number(TIMESTAMP)?).ok())
            .or_else(|| self.get(TIMESTAMP)?.parse().ok())
    }
}

struct Form<'a>(&'a FormParams<'a>);

impl Fields for Form<'_> {
    fn get(&self, name: Name) -> Option<Cow<'_, str>> {
        self.0.get(name.0).map(Cow::Borrowed)
    }

    fn label(name: Name) -> &'static str {
        name.0
    }
}

struct Payload<'a>(&'a Map<String, Value>);

impl Fields for Payload<'_> {
    fn get(&self, name: Name) -> Option<Cow<'_, str>> {
        match self.0.get(name.1)? {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Null => None,
            // Attributes are documented as a JSON string; as an object they mean the same.
            other => Some(Cow::Owned(other.to_string())),
        }
    }

    fn label(name: Name) -> &'static str {
        name.1
    }
}
