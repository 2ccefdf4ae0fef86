//! Named locks: exclusive queues, each owned by the connection that declared it first.

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{FieldTable, ShortString};

use super::client::{Client, Locks};
use super::error::{RESOURCE_LOCKED, answer};
use super::session::PooledChannel;
use crate::{Lock, QueueError};

impl Client {
    /// Takes the lock `name`, or returns `None` if somebody has it.
    pub(super) async fn try_lock(&self, name: &str) -> Result<Option<AmqpLock>, QueueError> {
        let queue = self.topology.lock(name)?;
        if !self.locks.lock().insert(queue.clone()) {
            return Ok(None);
        }
        let claim = Claim {
            queue: queue.clone(),
            locks: self.locks.clone(),
        };
        let channel = self.consuming.channel().await?;
        let asked = (*channel).clone();
        // From here on its drop deletes the queue, in case this future is dropped half-way.
        let lock = AmqpLock(Some((channel, claim)));
        let options = QueueDeclareOptions::exclusive();
        match answer(asked.queue_declare(queue, options, FieldTable::default())).await {
            Ok(_) => Ok(Some(lock)),
            Err(error) if error.reply_code() == Some(RESOURCE_LOCKED) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Keeps others in this process from the lock until its queue is gone.
struct Claim {
    queue: ShortString,
    locks: Locks,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.locks.lock().remove(&self.queue);
    }
}

/// A lock held by this process until it is dropped.
pub(super) struct AmqpLock(Option<(PooledChannel, Claim)>);

impl Lock for AmqpLock {
    fn is_lost(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|(channel, _)| !channel.is_open())
    }
}

impl AmqpLock {
    /// Gives the lock up; others can take it when this returns.
    pub(super) async fn release(mut self) {
        if let Some((channel, claim)) = self.0.take() {
            delete(channel, claim).await;
        }
    }
}

impl Drop for AmqpLock {
    fn drop(&mut self) {
        if let Some((channel, claim)) = self.0.take() {
            let runtime = channel.session().runtime.clone();
            runtime.spawn(delete(channel, claim));
        }
    }
}

async fn delete(channel: PooledChannel, claim: Claim) {
    let options = QueueDeleteOptions::default();
    let deleted = answer(channel.queue_delete(claim.queue.clone(), options)).await;
    if deleted.is_ok() {
        channel.give_back();
    }
}
