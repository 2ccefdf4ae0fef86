//! Publishing, confirmed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Confirmation};

use super::channels::{Borrowed, Channels};
use super::connection::Connection;
use super::fault::words;
use super::topology::Topology;
use super::wire;
use crate::{Cause, QueueError, RawMessage};

/// A confirm that took longer than this on a link that still lives will not come any more: its
/// channel is given up.
const CONFIRM_AT_LAST: Duration = Duration::from_secs(60);

/// One message and where it goes.
pub(super) struct Letter {
    exchange: ShortString,
    key: ShortString,
    properties: BasicProperties,
    body: Vec<u8>,
}

impl Letter {
    /// For the queue that consumers read.
    pub(super) fn request(topology: &Topology, message: RawMessage) -> Self {
        Self {
            exchange: topology.exchange.clone(),
            key: topology.queue.clone(),
            properties: wire::properties(&message),
            body: message.body,
        }
    }

    /// For the dead letters.
    pub(super) fn dead(
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

    /// For the log of intents.
    pub(super) fn intent(topology: &Topology, entry: Vec<u8>) -> Self {
        Self {
            exchange: topology.exchange.clone(),
            key: topology.intents.clone(),
            properties: BasicProperties::default(),
            body: entry,
        }
    }
}

/// Publishes letters, many at a time.
pub(super) struct Publisher {
    connection: Arc<Connection>,
    limit: Duration,
}

impl Publisher {
    pub(super) fn new(connection: Arc<Connection>, limit: Duration) -> Self {
        Self { connection, limit }
    }

    /// Returns once the broker has the letter for good, or after the publish timeout.
    pub(super) async fn publish(&self, letter: Letter) -> Result<(), QueueError> {
        let link = self.connection.link()?;
        if let Some(reason) = link.blocked() {
            return Err(QueueError::Refused(reason));
        }
        let attempt = async {
            let channel = Channels::borrow(&link).await?;
            // The channel must not be used again before the broker's answer is here, nor closed
            // before the letter is written, whether or not somebody still waits: hence a task.
            let sent = link.runtime.spawn(send(channel, letter)).await;
            sent.unwrap_or_else(|ended| Err(QueueError::Unavailable(ended.to_string())))
        };
        match tokio::time::timeout(self.limit, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => {
                link.raises_doubt();
                Err(link
                    .blocked()
                    .map_or(QueueError::TimedOut(self.limit), QueueError::Refused))
            }
        }
    }
}

async fn send(channel: Borrowed, letter: Letter) -> Result<(), QueueError> {
    let link = channel.link().clone();
    let confirmation = tokio::select! {
        confirmation = confirmed(&channel, letter) => confirmation?,
        () = link.lost() => {
            return Err(QueueError::Unavailable("the connection was lost".to_owned()));
        }
    };
    channel.give_back();
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
            link.misses_topology();
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

/// The broker's answer. One letter at a time and channel: lapin can't tell to which of several a
/// return belongs.
async fn confirmed(channel: &Borrowed, letter: Letter) -> Result<Confirmation, QueueError> {
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let Letter {
        exchange,
        key,
        properties,
        body,
    } = letter;
    let failed = |error: lapin::Error| QueueError::Unavailable(words(&error));
    let confirm = channel
        .basic_publish(exchange, key, options, &body, properties)
        .await
        .map_err(failed)?;
    match tokio::time::timeout(CONFIRM_AT_LAST, confirm).await {
        Ok(confirmation) => confirmation.map_err(failed),
        Err(_) => Err(QueueError::TimedOut(CONFIRM_AT_LAST)),
    }
}
