//! Publishing, confirmed.

use std::time::Duration;

use jiff::Timestamp;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Confirmation};

use super::client::Client;
use super::error::message;
use super::session::PooledChannel;
use super::topology::Topology;
use super::wire::{self, Entry};
use crate::{Cause, QueueError, RawMessage};

/// A confirm that took longer than this on a session that still lives won't come any more: its
/// channel is given up.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(60);

/// One message and where it goes.
pub(super) struct Outgoing {
    exchange: ShortString,
    key: ShortString,
    properties: BasicProperties,
    body: Vec<u8>,
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
        let attempt = async {
            let channel = session.channel().await?;
            // The channel must not be used again before the broker's answer is here, nor closed
            // before the message is written, whether or not somebody still waits: hence a task.
            let sent = session.runtime.spawn(send(channel, outgoing)).await;
            sent.unwrap_or_else(|ended| Err(QueueError::Unavailable(ended.to_string())))
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

async fn send(channel: PooledChannel, outgoing: Outgoing) -> Result<(), QueueError> {
    let session = channel.session().clone();
    let confirmation = tokio::select! {
        confirmation = confirmed(&channel, outgoing) => confirmation?,
        () = session.lost() => {
            return Err(QueueError::Unavailable("the connection was lost".to_owned()));
        }
    };
    channel.give_back();
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
            session.redeclare();
            Err(QueueError::Unroutable(returned.reply_text.to_string()))
        }
        Confirmation::Nack(None) => Err(QueueError::Refused(
            "the broker did not accept it: the queue is full, or has no majority of its nodes"
                .to_owned(),
        )),
        Confirmation::NotRequested => Err(QueueError::Unavailable(
            "the channel gives no confirms".to_owned(),
        )),
    }
}

/// The broker's answer. One message at a time and channel: lapin can't tell to which of several a
/// return belongs.
async fn confirmed(
    channel: &PooledChannel,
    outgoing: Outgoing,
) -> Result<Confirmation, QueueError> {
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let failed = |error: lapin::Error| QueueError::Unavailable(message(&error));
    let Outgoing {
        exchange,
        key,
        properties,
        body,
    } = outgoing;
    let confirm = channel
        .basic_publish(exchange, key, options, &body, properties)
        .await
        .map_err(failed)?;
    match tokio::time::timeout(CONFIRM_TIMEOUT, confirm).await {
        Ok(confirmation) => confirmation.map_err(failed),
        Err(_) => Err(QueueError::TimedOut(CONFIRM_TIMEOUT)),
    }
}
