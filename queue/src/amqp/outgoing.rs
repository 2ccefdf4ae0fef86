//! What is published.

use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::ShortString;

use super::topology::Topology;
use super::wire::{self, Entry};
use crate::{Cause, RawMessage};

/// One message and where it goes.
pub(super) struct Outgoing {
    pub(super) exchange: ShortString,
    pub(super) key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

impl Outgoing {
    /// To the queue that consumers read.
    pub(super) fn request(topology: &Topology, message: RawMessage) -> Self {
        Self {
            exchange: topology.exchange.clone(),
            key: topology.queue.clone(),
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
