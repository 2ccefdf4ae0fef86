//! Callbacks that a test sends by itself.

use std::sync::Arc;
use std::time::Duration;

use twilio::{CallSid, EventSid, TaskSid};

use super::courier::Parcel;
use crate::events::EventKind;
use crate::journal::{CallbackOutcome, Transport};

/// An event ready to be sent, as it is or bent.
#[derive(Clone)]
pub struct Callback(pub(crate) Parcel);

impl Callback {
    /// Sends it to another URL than the workspace's, whose fragment may hold connection overrides.
    #[must_use]
    pub fn to(mut self, url: impl Into<String>) -> Self {
        self.0.url = url.into();
        self
    }

    /// Signs it with a token that is not the account's.
    #[must_use]
    pub fn forged(mut self) -> Self {
        self.0.forged = true;
        self
    }

    /// Makes it say that it happened so much earlier, as one does that comes late.
    #[must_use]
    pub fn backdated(mut self, by: Duration) -> Self {
        let event = Arc::make_mut(&mut self.0.event);
        event.at = event.at.checked_sub(by).unwrap_or(event.at);
        for (name, value) in &mut event.params {
            match *name {
                "Timestamp" => *value = event.at.as_second().to_string(),
                "TimestampMs" => *value = event.at.as_millisecond().to_string(),
                _ => {}
            }
        }
        self
    }

    /// Delivers it as Event Streams does, to the sink that [`Callback::to`] names.
    #[must_use]
    pub fn through_event_streams(mut self) -> Self {
        self.0.transport = Transport::EventStream;
        self
    }

    /// The event.
    pub fn event(&self) -> EventSid {
        self.0.event.sid
    }

    /// Its type.
    pub fn kind(&self) -> EventKind {
        self.0.event.kind
    }

    /// Its call, if it has one.
    pub fn call(&self) -> Option<CallSid> {
        self.0.event.call
    }

    /// Its task, if it has one.
    pub fn task(&self) -> Option<TaskSid> {
        self.0.event.task
    }
}

/// What came of a delivery, retries included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The event.
    pub event: EventSid,
    /// Of the last attempt.
    pub outcome: CallbackOutcome,
    /// How many attempts there were.
    pub attempts: u32,
    /// From the first sending to the last outcome.
    pub latency: Duration,
}
