//! The queue in memory, for simulations: one [`Broker`] that several simulated processes share,
//! each through a client of its own, and a [`Weather`] that decides what befalls each operation.

mod broker;
mod client;
mod consumer;
mod intents;

use std::sync::Arc;
use std::time::Duration;

pub use broker::Broker;
pub use client::MemoryQueue;

/// What a client asks of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A publish, that of a dead letter included.
    Publish,
    /// The settling of a delivery.
    Settle,
    /// An attempt at a lock.
    Lock,
    /// An append to the log of intents.
    Append,
    /// What others appended, on its way to a reader.
    Read,
}

/// What befalls an operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fate {
    /// How long it takes to the broker.
    pub delay: Duration,
    /// What is lost of it.
    pub loss: Option<Loss>,
    /// How long its client stands still before it takes the answer.
    pub freeze: Duration,
}

/// What is lost of an operation. Its client waits for the answer in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The request: nothing happens.
    Request,
    /// The answer: the broker has done what was asked.
    Answer,
}

/// Decides what befalls the operations of the client with this name.
pub type Weather = Arc<dyn Fn(&str, Operation) -> Fate + Send + Sync>;
