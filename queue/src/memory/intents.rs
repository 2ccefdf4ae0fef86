//! The log of intents in memory.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Operation;
use super::broker::{Log, State};
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

/// Which generation of the log was read, and how many of its entries.
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
        let broker = &self.client.broker;
        loop {
            broker.wait_for(|state| self.has_more(state)).await;
            let fate = broker.fate(&self.client.name, Operation::Read);
            tokio::time::sleep(fate.delay).await;
            if self.client.connection().is_ok() {
                self.tell(&broker.state().log);
            } else {
                broker.changed().await;
            }
        }
    }

    fn has_more(&self, state: &State) -> Option<()> {
        let place = self.place.lock();
        let log = &state.log;
        (place.generation != log.generation || place.read < log.entries.len()).then_some(())
    }

    /// Tells the reader what is new.
    fn tell(&self, log: &Log) {
        let mut place = self.place.lock();
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
