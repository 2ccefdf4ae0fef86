//! A consumer, and its deliveries.

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::change::{Change, ConsumerId, Outcome, Settled};
use super::failure::Failure;
use super::handle::{Command, Handle};
use super::messages::{Delivered, Return, Token};
use crate::traits::Settle;
use crate::{Cause, Consumer, Delivery, Lane, QueueError, RawMessage};

pub(super) struct SqliteConsumer {
    id: ConsumerId,
    /// The writer thread delivers ahead, up to the prefetch.
    deliveries: UnboundedReceiver<Delivered>,
    handle: Handle,
}

impl SqliteConsumer {
    pub(super) fn subscribe(
        id: ConsumerId,
        lane: Lane,
        prefetch: u16,
        handle: Handle,
    ) -> Result<Self, Failure> {
        let (sender, deliveries) = mpsc::unbounded_channel();
        handle.send(Command::Subscribe {
            consumer: id,
            lane,
            prefetch,
            deliveries: sender,
        })?;
        Ok(Self {
            id,
            deliveries,
            handle,
        })
    }
}

#[async_trait]
impl Consumer for SqliteConsumer {
    async fn next(&mut self) -> Result<Delivery, QueueError> {
        let delivered = self.deliveries.recv().await.ok_or(Failure::Closed)?;
        let Delivered { token, message, .. } = delivered;
        if self.handle.has_ended() {
            return Err(Failure::Closed.into());
        }
        let settle = SqliteSettle {
            token: Some(token),
            consumer: self.id,
            handle: self.handle.clone(),
        };
        let (redelivered, count) = (token.returns > 0, token.deliveries);
        Ok(Delivery::new(message, redelivered, count, Box::new(settle)))
    }

    async fn stop(&mut self) {
        self.unsubscribe();
    }
}

impl SqliteConsumer {
    fn unsubscribe(&mut self) {
        let (_, none) = mpsc::unbounded_channel();
        // An error means that the queue is closed, and gave everything back.
        let _ = self.handle.send(Command::Unsubscribe {
            consumer: self.id,
            unseen: std::mem::replace(&mut self.deliveries, none),
        });
    }
}

impl Drop for SqliteConsumer {
    fn drop(&mut self) {
        self.unsubscribe();
    }
}

/// Ends one delivery; dropped before that, it gives the message back.
struct SqliteSettle {
    token: Option<Token>,
    consumer: ConsumerId,
    handle: Handle,
}

impl SqliteSettle {
    async fn settle(mut self, how: Settled) -> Result<(), QueueError> {
        let Some(change) = self.change(how) else {
            return Ok(());
        };
        match self.handle.perform(change, None).await {
            Ok(Outcome::Gone) | Err(Failure::Closed) => {
                Err(QueueError::DeliveryLost("the queue was closed".to_owned()))
            }
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// `None` once it was settled.
    fn change(&mut self, how: Settled) -> Option<Change> {
        Some(Change::Settle {
            token: self.token.take()?,
            how,
            consumer: Some(self.consumer),
        })
    }
}

impl Drop for SqliteSettle {
    fn drop(&mut self) {
        if let Some(change) = self.change(Settled::Returned(Return::Abandoned)) {
            self.handle.perform_later(change);
        }
    }
}

#[async_trait]
impl Settle for SqliteSettle {
    async fn ack(self: Box<Self>) -> Result<(), QueueError> {
        self.settle(Settled::Acked).await
    }

    async fn dead_letter(
        self: Box<Self>,
        _message: &RawMessage,
        cause: &Cause,
        died_at: Timestamp,
    ) -> Result<(), QueueError> {
        self.settle(Settled::DeadLetter(cause.clone(), died_at))
            .await
    }

    async fn panicked(self: Box<Self>, message: &RawMessage) -> Result<(), QueueError> {
        self.settle(Settled::PublishedAgain(message.after_panic()))
            .await
    }

    async fn release(self: Box<Self>) -> Result<(), QueueError> {
        self.settle(Settled::Returned(Return::Released)).await
    }

    fn is_lost(&self) -> bool {
        self.handle.has_ended()
    }
}
