//! What is published, and how it is handed to the one that publishes (`publisher`).

use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::ShortString;
use tokio::sync::oneshot;

use super::client::Client;
use super::publisher::{Submitted, lost};
use super::topology::Topology;
use super::wire::{self, Entry};
use crate::{Cause, QueueError, RawMessage};

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

impl Client {
    /// Returns once the broker has the message for good, or after the publish timeout. Many may be
    /// under way at once.
    pub(super) async fn publish(&self, outgoing: Outgoing) -> Result<(), QueueError> {
        let session = self.publishing.session()?;
        if let Some(reason) = session.blocked() {
            return Err(QueueError::Refused(reason));
        }
        let (outcome, told) = oneshot::channel();
        let attempt = async {
            let submitted = self.publisher.send(Submitted { outgoing, outcome });
            submitted.await.map_err(|_| lost())?;
            told.await.unwrap_or_else(|_| Err(lost()))
        };
        match tokio::time::timeout(self.publish_timeout, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => {
                session.check();
                Err(session.blocked().map_or(
                    QueueError::TimedOut(self.publish_timeout),
                    QueueError::Refused,
                ))
            }
        }
    }
}
