//! What is published.

use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::ShortString;

use super::topology::Topology;
use super::wire::{self, Entry};
use crate::{Cause, Content, Lane, Message, RawMessage};

/// One message and where it goes.
pub(super) struct Outgoing {
    pub(super) exchange: ShortString,
    pub(super) key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

impl Outgoing {
    /// To the queue of a lane.
    pub(super) fn message(topology: &Topology, lane: Lane, message: RawMessage) -> Self {
        Self {
            exchange: topology.exchange.clone(),
            key: topology.queue(lane).clone(),
            properties: wire::properties(&message),
            body: message.body,
        }
    }

    /// To the dead letters.
    pub(super) fn dead_letter(
        topology: &Topology,
        message: &RawMessage,
        cause: &Cause,
        died_at: Timestamp,
    ) -> Self {
        Self {
            exchange: topology.dead.clone(),
            key: topology.dead.clone(),
            properties: wire::dead_properties(message, cause, died_at),
            body: message.body.clone(),
        }
    }

    /// To the stream.
    pub(super) fn told(topology: &Topology, content: &Content) -> Self {
        let message = Message {
            content: content.clone(),
            traceparent: None,
        };
        let message = message.encode();
        Self {
            exchange: topology.exchange.clone(),
            key: topology.history.clone(),
            properties: wire::properties(&message),
            body: message.body,
        }
    }

    /// The same to users' queues, if it is an outcome.
    pub(super) fn to_users(&self, topology: &Topology, content: &Content) -> Option<Self> {
        let Content::Outcome(outcome) = content else {
            return None;
        };
        // In characters: with what came of it, they fit into AMQP's 255 bytes.
        let plan: String = outcome.plan.chars().take(60).collect();
        let key = format!("{plan}.{}", outcome.outcome.as_str());
        Some(Self {
            exchange: topology.outcomes.clone(),
            key: ShortString::try_new(key).ok()?,
            properties: self.properties.clone(),
            body: self.body.clone(),
        })
    }

    /// To those who watch.
    pub(super) fn report(topology: &Topology, said: Vec<u8>) -> Self {
        Self {
            exchange: topology.reports.clone(),
            key: ShortString::default(),
            properties: BasicProperties::default(),
            body: said,
        }
    }

    /// To all processes: somebody watches.
    pub(super) fn watch(topology: &Topology) -> Self {
        Self {
            exchange: topology.watch.clone(),
            ..Self::report(topology, Vec::new())
        }
    }

    /// To the log of intents.
    pub(super) fn entry(topology: &Topology, entry: Entry) -> Self {
        Self {
            exchange: topology.exchange.clone(),
            key: topology.intents.clone(),
            properties: BasicProperties::default(),
            body: entry.encode(),
        }
    }
}
