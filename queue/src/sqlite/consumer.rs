//! A consumer, and its deliveries.

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::shared::{Command, ConsumerId, Failure, Handle};
use super::tables::{Leased, Return, Token};
use super::work::{Verdict, Work};
use crate::traits::Settle;
use crate::{Cause, Consumer, Delivery, QueueError, RawMessage};

pub(super) struct SqliteConsumer {
    id: ConsumerId,
    /// The writer thread leases ahead, up to the prefetch.
    deliveries: UnboundedReceiver<Leased>,
    handle: Handle,
}

impl SqliteConsumer {
    pub(super) fn subscribe(
        id: ConsumerId,
        prefetch: u16,
        handle: Handle,
    ) -> Result<Self, Failure> {
        let (sender, deliveries) = mpsc::unbounded_channel();
        handle.send(Command::Subscribe {
            consumer: id,
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
        loop {
            let Leased { token, message } = self.deliveries.recv().await.ok_or(Failure::Closed)?;
            let lost = self.handle.state().was_given_up(token.owner);
            let settle = SqliteSettle {
                token: Some(token),
                consumer: self.id,
                handle: self.handle.clone(),
            };
            if !lost {
                return Ok(Delivery::new(
                    message,
                    token.returns > 0,
                    token.deliveries,
                    Box::new(settle),
                ));
            }
        }
    }

    async fn stop(&mut self) {
        self.unsubscribe();
    }
}

impl SqliteConsumer {
    fn unsubscribe(&mut self) {
        let (_, none) = mpsc::unbounded_channel();
        // An error says that the queue is closed, which gave back everything.
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

/// Gives its delivery back when it is dropped before anything was said of it.
struct SqliteSettle {
    token: Option<Token>,
    consumer: ConsumerId,
    handle: Handle,
}

impl SqliteSettle {
    async fn settle(
        mut self,
        work: impl FnOnce(Token, ConsumerId) -> Work,
    ) -> Result<(), QueueError> {
        let lost = || {
            QueueError::DeliveryLost(
                "this process was silent for longer than the lease, or closed the queue".to_owned(),
            )
        };
        let Some(token) = self.token.take() else {
            return Ok(());
        };
        match self.handle.perform(work(token, self.consumer), None).await {
            Ok(Verdict::Gone) | Err(Failure::Closed) => Err(lost()),
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }
}

impl Drop for SqliteSettle {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            self.handle.perform_later(Work::GiveBack {
                token,
                how: Return::Abandoned,
                consumer: Some(self.consumer),
            });
        }
    }
}

#[async_trait]
impl Settle for SqliteSettle {
    async fn ack(self: Box<Self>) -> Result<(), QueueError> {
        self.settle(Work::Ack).await
    }

    async fn dead_letter(
        self: Box<Self>,
        _message: &RawMessage,
        cause: &Cause,
        died_at: Timestamp,
    ) -> Result<(), QueueError> {
        let cause = cause.clone();
        self.settle(|token, consumer| Work::DeadLetter(token, consumer, cause, died_at))
            .await
    }

    async fn panicked(self: Box<Self>, message: &RawMessage) -> Result<(), QueueError> {
        let message = message.after_panic();
        self.settle(|token, consumer| Work::PublishAgain(token, consumer, message))
            .await
    }

    async fn release(self: Box<Self>) -> Result<(), QueueError> {
        self.settle(|token, consumer| Work::GiveBack {
            token,
            how: Return::Released,
            consumer: Some(consumer),
        })
        .await
    }

    fn is_lost(&self) -> bool {
        self.token
            .is_some_and(|token| self.handle.state().may_be_lost(token.owner))
    }
}
