//! Event Streams: sinks and subscriptions.

use serde::Serialize;
use serde_json::Value;
use twilio::{SinkSid, SubscriptionSid};

use crate::dates::Dates;
use crate::events::EventKind;

/// A webhook sink.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sink {
    pub(crate) sid: SinkSid,
    pub(crate) description: String,
    pub(crate) sink_configuration: Value,
    /// Nothing is sent to it any more.
    #[serde(skip)]
    pub(crate) has_failed: bool,
    #[serde(flatten)]
    pub(crate) dates: Dates,
}

impl Sink {
    pub(crate) fn destination(&self) -> Option<&str> {
        self.sink_configuration["destination"].as_str()
    }
}

/// What a sink is subscribed to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Subscription {
    pub(crate) sid: SubscriptionSid,
    pub(crate) description: String,
    pub(crate) sink_sid: SinkSid,
    /// Only those that the simulator can send.
    #[serde(skip)]
    pub(crate) kinds: Vec<EventKind>,
    #[serde(flatten)]
    pub(crate) dates: Dates,
}
