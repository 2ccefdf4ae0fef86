//! What was told: a stream, read by one consumer for each who wants to know.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use lapin::options::BasicAckOptions;
use tokio::time::Instant;

use super::client::Client;
use super::subscription::{Place, Subscriber};
use super::wire;
use crate::{Content, History, QueueError};

/// Entries on their way to us.
const PREFETCH: u16 = 1000;

pub(super) struct AmqpHistory(Subscriber);

impl AmqpHistory {
    pub(super) fn new(client: Arc<Client>, past: Duration) -> Self {
        let history = client.topology.history.clone();
        let place = Place::Past(past, Instant::now());
        Self(Subscriber::new(client, history, PREFETCH, place))
    }
}

#[async_trait]
impl History for AmqpHistory {
    async fn next(&mut self) -> Result<Content, QueueError> {
        loop {
            let (delivered, _) = self.0.next().await?;
            // The first poll hands the ack to lapin.
            let _ = delivered
                .acker
                .ack(BasicAckOptions::default())
                .now_or_never();
            // A message without an offset can't come from a stream.
            let offset = wire::offset(&delivered.properties).unwrap_or_default();
            let before =
                std::mem::replace(&mut self.0.place, Place::Offset(offset, Instant::now()));
            // A reading is resumed with the last entry, for the next may not be there yet.
            let is_new = !matches!(before, Place::Offset(last, _) if last == offset);
            let message = wire::message(&delivered.properties, delivered.data);
            if let (true, Ok(content)) = (is_new, message.content())
                && content.is_told()
            {
                return Ok(content);
            }
        }
    }
}
