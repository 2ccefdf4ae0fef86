//! Leases: exclusive queues, of which each connection can own those that it declared first.

use std::collections::HashSet;
use std::sync::Arc;

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{FieldTable, ShortString};
use parking_lot::Mutex;

use super::channels::Borrowed;
use super::connection::Connection;
use super::fault::{RESOURCE_LOCKED, answer};
use super::topology::Topology;
use crate::{Lease, QueueError};

/// The leases of this process. To the broker they all have one owner, the connection, so that it
/// takes this to keep them apart.
#[derive(Default, Clone)]
pub(super) struct Leases(Arc<Mutex<HashSet<ShortString>>>);

impl Leases {
    /// Takes the lease `name`, or returns `None` where somebody has it.
    pub(super) async fn take(
        &self,
        name: &str,
        topology: &Topology,
        connection: &Connection,
    ) -> Result<Option<AmqpLease>, QueueError> {
        let queue = topology.lease(name)?;
        let Some(claimed) = self.claim(queue) else {
            return Ok(None);
        };
        let channel = connection.channel().await?;
        let asked = (*channel).clone();
        let name = claimed.queue.clone();
        // A lease from now on, so that the queue goes where this is given up half-way.
        let lease = AmqpLease(Some((channel, claimed)));
        let options = QueueDeclareOptions::exclusive();
        match answer(asked.queue_declare(name, options, FieldTable::default())).await {
            Ok(_) => Ok(Some(lease)),
            Err(error) if error.reply_code() == Some(RESOURCE_LOCKED) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn claim(&self, queue: ShortString) -> Option<Claimed> {
        let is_free = self.0.lock().insert(queue.clone());
        is_free.then(|| Claimed {
            queue,
            leases: self.clone(),
        })
    }
}

/// The right, within this process, to own the queue; kept until the queue is gone.
struct Claimed {
    queue: ShortString,
    leases: Leases,
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.leases.0.lock().remove(&self.queue);
    }
}

/// A lease held by this process until it is dropped.
pub(super) struct AmqpLease(Option<(Borrowed, Claimed)>);

impl Lease for AmqpLease {
    fn is_lost(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|(channel, _)| !channel.is_open())
    }
}

impl AmqpLease {
    /// Gives the lease up; others can take it when this returns.
    pub(super) async fn give_up(mut self) {
        if let Some(ending) = self.ending() {
            ending.await;
        }
    }

    fn ending(&mut self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let (channel, claimed) = self.0.take()?;
        Some(async move {
            let options = QueueDeleteOptions::default();
            let deleted = answer(channel.queue_delete(claimed.queue.clone(), options)).await;
            if deleted.is_ok() {
                channel.give_back();
            }
            drop(claimed);
        })
    }
}

impl Drop for AmqpLease {
    fn drop(&mut self) {
        let runtime = self
            .0
            .as_ref()
            .map(|(channel, _)| channel.link().runtime.clone());
        if let (Some(runtime), Some(ending)) = (runtime, self.ending()) {
            runtime.spawn(ending);
        }
    }
}
