//! The conformance suite on the queue in memory.

#![allow(clippy::unwrap_used, reason = "tests")]

#[macro_use]
mod conformance;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use queue::memory::Broker;
use queue::{Options, Queue, RawMessage};

#[derive(Default)]
struct Memory {
    broker: Broker,
    opened: AtomicU32,
}

impl conformance::Harness for Memory {
    async fn fresh() -> Self {
        Self::default()
    }

    async fn open(&self, options: Options) -> Arc<dyn Queue> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        Arc::new(self.broker.open(&format!("process {number}"), options))
    }

    async fn put(&self, message: RawMessage) {
        self.broker.put(message);
    }

    async fn spoil_intents(&self) {
        self.broker.spoil_intents();
    }

    async fn lose_intents(&self) {
        self.broker.lose_intents();
    }
}

conformance_tests!(Memory);
