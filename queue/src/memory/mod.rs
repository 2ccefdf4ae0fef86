//! The queue in memory, for simulations: one [`Broker`] that several simulated processes share,
//! each through a client of its own, and a [`Weather`] that decides what happens to each operation.

mod broker;
mod client;
mod consumer;
mod intents;
mod queue;

use std::sync::Arc;
use std::time::Duration;

pub use broker::Broker;
pub use queue::MemoryQueue;

/// What a client asks of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Publishing a message.
    Publish,
    /// Settling a delivery.
    Settle,
    /// Trying to take a lock.
    Lock,
    /// Appending to the log of intents.
    Append,
    /// Telling a reader what others appended.
    Read,
}

/// What happens to an operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fate {
    /// How long it takes to get to the broker.
    pub delay: Duration,
    /// What is lost of it.
    pub loss: Option<Loss>,
    /// How long its client is frozen before it gets the answer.
    pub freeze: Duration,
}

/// Which part of an operation is lost. Its client waits for the answer in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The request: nothing happens.
    Request,
    /// The answer: the broker has done it.
    Answer,
}

/// Decides what happens to each operation of the client with this name.
pub type Weather = Arc<dyn Fn(&str, Operation) -> Fate + Send + Sync>;
