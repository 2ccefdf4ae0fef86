//! The log of intents in memory.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Operation;
use super::broker::Log;
use super::client::Client;
use crate::{Intent, IntentLog, IntentReader, Logged, QueueError, READ_BACK};

pub(super) struct MemoryLog {
    reading: Arc<Reading>,
    /// Tells the reader what others appended.
    follows: JoinHandle<()>,
}

struct Reading {
    client: Arc<Client>,
    reader: Arc<dyn IntentReader>,
    place: Mutex<Place>,
}

/// What comes next: the log that was read, and how many of its entries.
struct Place {
    generation: u64,
    read: usize,
}

impl MemoryLog {
    pub(super) fn new(client: Arc<Client>, reader: Arc<dyn IntentReader>) -> Self {
        let place = {
            let log = &client.broker.state().log;
            let past = |(at, _): &(Instant, _)| at.elapsed() > READ_BACK;
            Place {
                generation: log.generation,
                read: log.entries.partition_point(past),
            }
        };
        let reading = Arc::new(Reading {
            client,
            reader,
            place: Mutex::new(place),
        });
        let follows = tokio::spawn({
            let reading = Arc::clone(&reading);
            async move { reading.follow().await }
        });
        Self { reading, follows }
    }
}

impl Drop for MemoryLog {
    fn drop(&mut self) {
        self.follows.abort();
    }
}

impl Reading {
    async fn follow(&self) {
        loop {
            let fate = self.client.broker.fate(&self.client.name, Operation::Read);
            tokio::time::sleep(fate.delay).await;
            let mut changed = pin!(self.client.broker.changed.notified());
            changed.as_mut().enable();
            if self.client.connection().is_ok() {
                self.read();
            }
            changed.await;
        }
    }

    /// Tells the reader everything that it was not told yet.
    fn read(&self) {
        let state = self.client.broker.state();
        self.tell(&state.log);
    }

    fn tell(&self, log: &Log) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if place.generation != log.generation {
            self.reader.read(Logged::Gap);
            place.generation = log.generation;
            place.read = 0;
        }
        for (_, entry) in log.entries.get(place.read..).unwrap_or_default() {
            self.reader.read(entry.map_or(Logged::Gap, Logged::Intent));
        }
        place.read = log.entries.len();
    }
}

#[async_trait]
impl IntentLog for MemoryLog {
    async fn append(&self, intent: Intent) -> Result<(), QueueError> {
        let reading = &self.reading;
        let appended = reading.client.ask(Operation::Append, |state, _| {
            let entry = (Instant::now(), Some(intent));
            state.log.entries.push(entry);
            reading.tell(&state.log);
        });
        appended.await
    }
}
