//! Event Streams: sinks and subscriptions.

use jiff::Timestamp;
use serde_json::Value;
use twilio::{SinkSid, SubscriptionSid};

use crate::events::EventKind;

/// A webhook sink.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    pub(crate) sid: SinkSid,
    pub(crate) description: String,
    pub(crate) configuration: Value,
    pub(crate) created: Timestamp,
}

impl Sink {
    pub(crate) fn destination(&self) -> Option<&str> {
        self.configuration["destination"].as_str()
    }
}

/// What a sink is subscribed to.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) sid: SubscriptionSid,
    pub(crate) description: String,
    pub(crate) sink: SinkSid,
    /// Only those that the simulator can send.
    pub(crate) kinds: Vec<EventKind>,
    pub(crate) created: Timestamp,
}
