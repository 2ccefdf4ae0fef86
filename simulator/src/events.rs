//! TaskRouter events as Twilio sends them: as a form to the event callback, as a CloudEvent through Event
//! Streams, with the same parameters.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use twilio::{CallSid, EventSid, FormParams, TaskSid};

use crate::dates::iso8601;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// The type of an event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventKind {
            $($(#[$doc])* #[serde(rename = $name)] $kind,)*
        }

        impl EventKind {
            /// All that the simulator can send.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Twilio's name of it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// A task entered a workflow.
    WorkflowEntered = "workflow.entered",
    /// A task matched a target of its workflow.
    WorkflowTargetMatched = "workflow.target-matched",
    /// A task fell off the end of its workflow.
    WorkflowTimeout = "workflow.timeout",
    /// A task entered a task queue.
    TaskQueueEntered = "task-queue.entered",
    /// A task's time in a task queue is up.
    TaskQueueTimeout = "task-queue.timeout",
    /// A task was created.
    TaskCreated = "task.created",
    /// A task's attributes or priority changed.
    TaskUpdated = "task.updated",
    /// A task ended without a worker.
    TaskCanceled = "task.canceled",
    /// A task was deleted.
    TaskDeleted = "task.deleted",
    /// A worker finished a task.
    TaskCompleted = "task.completed",
    /// A worker is finishing a task.
    TaskWrapup = "task.wrapup",
    /// A task was offered to a worker.
    ReservationCreated = "reservation.created",
    /// A worker took a task.
    ReservationAccepted = "reservation.accepted",
    /// A worker rejected an offer of a task.
    ReservationRejected = "reservation.rejected",
    /// A worker ignored an offer of a task.
    ReservationTimeout = "reservation.timeout",
    /// A worker changed their activity.
    WorkerActivityUpdate = "worker.activity.update",
    /// A call to somebody who was rung is over. It is no event of TaskRouter's: a `<Number>` says who
    /// is told.
    CallCompleted = "call.completed",
}

/// How an event is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// The workspace's event callback: a form.
    EventCallback,
    /// The status callback of a `<Number>`: a form.
    StatusCallback,
    /// An Event Streams webhook sink: a JSON array of one CloudEvent.
    EventStream,
}

/// An event on its way to a URL.
#[derive(Clone)]
pub(crate) struct Webhook {
    pub(crate) event: Arc<Event>,
    pub(crate) transport: Transport,
    /// With its fragment.
    pub(crate) url: String,
    /// Signed with a token that is not the account's.
    pub(crate) forged: bool,
}

impl Webhook {
    /// Signed with the account's token.
    pub(crate) fn new(event: Arc<Event>, transport: Transport, url: impl Into<String>) -> Self {
        Self {
            event,
            transport,
            url: url.into(),
            forged: false,
        }
    }
}

/// One event, complete.
#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) sid: EventSid,
    pub(crate) kind: EventKind,
    pub(crate) at: Timestamp,
    pub(crate) call: Option<CallSid>,
    pub(crate) task: Option<TaskSid>,
    /// By their names in the form.
    pub(crate) params: Vec<(&'static str, String)>,
}

impl Event {
    pub(crate) fn form(&self) -> FormParams {
        self.params
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }

    pub(crate) fn form_body(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.params)
            .finish()
    }

    /// The body that a webhook sink posts. "Currently the array contains only one event."
    pub(crate) fn cloud_events_body(&self) -> String {
        let payload: Map<String, Value> = self
            .params
            .iter()
            .map(|(name, value)| match *name {
                "Timestamp" => ("timestamp".into(), iso8601(self.at).into()),
                "EventType" => ("eventtype".into(), value.as_str().into()),
                name => (snake_case(name), value.as_str().into()),
            })
            .collect();
        json!([{
            "specversion": "1.0",
            "type": format!("com.twilio.taskrouter.{}", self.kind.as_str()),
            "source": format!("/taskrouter/events/{}", self.sid),
            "id": self.sid,
            "dataschema": "https://events-schemas.twilio.com/TaskRouter.WDSEvent/4",
            "datacontenttype": "application/json",
            "time": iso8601(self.at),
            "data": {
                "sid": self.sid,
                "name": self.kind.as_str(),
                "account_sid": payload.get("account_sid"),
                "timestamp": iso8601(self.at),
                "level": "INFO",
                "group": self.kind.as_str().split('.').next(),
                "product_name": "TaskRouter",
                "publisher": "TaskRouter",
                "publisher_metadata": {},
                "payload_type": "application/json",
                "payload": payload,
            },
        }])
        .to_string()
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
