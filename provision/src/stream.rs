//! A sink of Event Streams'.

use std::collections::BTreeSet;

use twilio::rest::{Client, Sink, SinkStatus, Subscription};
use twilio::{EventType, SubscriptionSid, is_same_address};

use crate::error::{Doing, Result};

/// A sink, and what it is subscribed to.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) sink: Sink,
    pub(crate) subscriptions: Vec<Subscription>,
    /// Those among them that setup made.
    pub(crate) ours: BTreeSet<SubscriptionSid>,
    /// Whether setup made the sink.
    pub(crate) is_ours: bool,
}

impl Stream {
    /// Whether its events go there.
    pub(crate) fn posts_to(&self, destination: &str) -> bool {
        let current = self.sink.destination();
        current.is_some_and(|current| is_same_address(current, destination))
    }

    /// Whether anybody but setup has subscribed to it.
    pub(crate) fn is_used_by_others(&self) -> bool {
        self.subscriptions.len() > self.ours.len()
    }

    /// Whether Twilio has given it up.
    pub(crate) fn has_failed(&self) -> bool {
        self.sink.status == SinkStatus::Failed
    }

    /// The events of ours that it is not subscribed to.
    pub(crate) async fn missing_events(&self, client: &Client) -> Result<Vec<EventType>> {
        let mut types = Vec::new();
        for subscription in &self.subscriptions {
            let subscribed = client.subscribed_events(&subscription.sid).await;
            types.extend(subscribed.doing("list the events of an Event Streams subscription")?);
        }
        let is_missing = |event: &EventType| !types.contains(&event.cloud_event_name());
        Ok(EventType::ALL.into_iter().filter(is_missing).collect())
    }
}
