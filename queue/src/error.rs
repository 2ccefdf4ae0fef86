//! What can go wrong with the queue, whatever the backend.

use std::time::Duration;

/// Why an operation on the queue failed. A message whose publish failed may be durable all the same.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// The connection is gone or can't be made; the queue reconnects by itself.
    #[error("the queue is not connected: {0}")]
    Unavailable(String),
    /// No confirm within the time allowed.
    #[error("the queue did not confirm within {0:?}")]
    TimedOut(Duration),
    /// The queue takes no message now: it is full, or an alarm is raised.
    #[error("the queue refused the message: {0}")]
    Refused(String),
    /// No queue takes the message.
    #[error("the message could not be routed to a queue: {0}")]
    Unroutable(String),
    /// What exists under our names differs from what we need. Retrying won't help.
    #[error("{0}")]
    Mismatch(String),
    /// There is no such queue, and we were told not to create it.
    #[error("{0}")]
    Missing(String),
    /// The broker doesn't let us in, or doesn't let us do what we must. It may later: passwords are
    /// rotated, and a broker that can't reach its user directory refuses everybody.
    #[error("{0}")]
    AccessRefused(String),
    /// The delivery went back to the queue meanwhile, with its connection or because the queue was
    /// closed. Somebody else gets it, flagged redelivered.
    #[error("the delivery is no longer ours: {0}")]
    DeliveryLost(String),
    /// The disk or the database failed.
    #[error("the queue's store failed: {0}")]
    Storage(String),
    /// Somebody else holds the lock.
    #[error("{0} is in use by another process")]
    Busy(String),
}

impl QueueError {
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Mismatch(_) | Self::Missing(_))
    }
}
