//! The queue as one process sees it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::Instant;

use super::Operation;
use super::broker::{Broker, Connection, State, Stored};
use super::client::Client;
use super::consumer::MemoryConsumer;
use super::intents::MemoryLog;
use crate::{
    Consumer, Content, DeadLetters, Done, Filter, Health, History, IntentLog, IntentReader, Lane,
    Listed, Lock, Message, Options, Publish, Queue, QueueError, Report, Settlement, Stats, Watch,
};

/// A queue in memory.
pub struct MemoryQueue(Arc<Client>);

impl Broker {
    /// The queue, as the process `name` opens it.
    pub fn open(&self, name: &str, options: Options) -> MemoryQueue {
        self.connect(name);
        let client = Client::new(Arc::clone(&self.0), name, options);
        MemoryQueue(Arc::new(client))
    }
}

#[async_trait]
impl Publish for MemoryQueue {
    async fn publish(&self, message: &Message) -> Result<(), QueueError> {
        self.0.publish(message.encode()).await
    }
}

#[async_trait]
impl DeadLetters for MemoryQueue {
    async fn oldest(&self, filter: &Filter, limit: usize) -> Result<Listed, QueueError> {
        self.0.connection()?;
        let letters = self.0.broker.state().dead.clone();
        Ok(filter.oldest(letters, limit))
    }

    async fn settle(
        &self,
        filter: &Filter,
        how: Settlement,
        done: Done<'_>,
    ) -> Result<(), QueueError> {
        let now = Timestamp::now();
        let taken = self.0.take(filter, |state, letter| {
            if how == Settlement::Replay {
                let message = letter.replayed(now);
                let lane = message.lane_again();
                state.insert(message, lane);
            }
        })?;
        taken.into_iter().for_each(done);
        Ok(())
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn consume(&self, lane: Lane, prefetch: u16) -> Result<Box<dyn Consumer>, QueueError> {
        self.0.alive().await;
        let client = Arc::clone(&self.0);
        let consumer = MemoryConsumer::new(client, lane, usize::from(prefetch));
        Ok(Box::new(consumer))
    }

    fn report(&self, report: Report) {
        if self.0.report.lock().replace(report).is_some() {
            return;
        }
        let client = Arc::clone(&self.0);
        tokio::spawn(async move {
            loop {
                client.alive().await;
                let watched = |state: &mut State| (state.watchers > 0).then_some(());
                client.broker.wait_for(watched).await;
                if client.closed.load(Ordering::Relaxed) {
                    return;
                }
                let said = client.says();
                client.broker.change(|state| state.reports.extend(said));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }

    async fn watch(&self) -> Result<Box<dyn Watch>, QueueError> {
        self.0.connection()?;
        let client = Arc::clone(&self.0);
        let read = client.broker.change(|state| {
            state.watchers += 1;
            state.reports.len()
        });
        Ok(Box::new(MemoryWatch { client, read }))
    }

    async fn tell(&self, told: &Content) {
        let is_for_them = told.is_told();
        let told = (Instant::now(), told.clone());
        if is_for_them && self.0.connection().is_ok() {
            self.0.broker.change(|state| state.told.push(told));
        }
    }

    async fn history(&self, past: Duration) -> Result<Box<dyn History>, QueueError> {
        self.0.connection()?;
        let told = &self.0.broker.state().told;
        let read = told.partition_point(|(at, _)| at.elapsed() > past);
        Ok(Box::new(MemoryHistory {
            client: Arc::clone(&self.0),
            read,
        }))
    }

    async fn try_lock(&self, name: &str) -> Result<Option<Box<dyn Lock>>, QueueError> {
        let taken = self.0.ask(Operation::Lock, |state, connection| {
            let number = state.number();
            let free = !state.locks.contains_key(name);
            free.then(|| {
                let holder = (connection, number);
                state.locks.insert(name.to_owned(), holder);
                holder
            })
        });
        Ok(taken.await?.map(|holder| {
            let lock = MemoryLock {
                client: Arc::clone(&self.0),
                name: name.to_owned(),
                holder,
            };
            Box::new(lock) as Box<dyn Lock>
        }))
    }

    fn intents(&self, reader: Arc<dyn IntentReader>) -> Arc<dyn IntentLog> {
        Arc::new(MemoryLog::new(Arc::clone(&self.0), reader))
    }

    async fn stats(&self) -> Result<Stats, QueueError> {
        self.0.alive().await;
        self.0.connection()?;
        let state = self.0.broker.state();
        let is_request = |stored: &&Stored| stored.lane == Lane::Redirects;
        Ok(Stats {
            ready: state.ready.values().filter(is_request).count() as u64,
            unacked: Some(
                state
                    .unacked
                    .values()
                    .map(|unacked| &unacked.stored)
                    .filter(is_request)
                    .count() as u64,
            ),
            consumers: state
                .consumers
                .values()
                .filter(|turn| turn.lane == Lane::Redirects)
                .count() as u64,
            dead: state.dead.len() as u64,
            ..Stats::default()
        })
    }

    fn health(&self) -> Health {
        match self.0.connection() {
            Ok(_) => Health::Up,
            Err(error) => Health::Down(error.to_string()),
        }
    }

    async fn close(&self) {
        self.0.alive().await;
        if let Ok(connection) = self.0.connection() {
            self.0.closed.store(true, Ordering::Relaxed);
            let last = self.0.says();
            self.0.broker.change(|state| {
                if state.watchers > 0 {
                    state.reports.extend(last);
                }
            });
            let limit = self.0.options.delivery_limit;
            self.0.broker.change(|state| {
                state.lose(connection, limit);
                state.consumers.retain(|_, turn| turn.client != self.0.name);
            });
        }
        self.0.closed.store(true, Ordering::Relaxed);
    }
}

struct MemoryWatch {
    client: Arc<Client>,
    /// How many were read.
    read: usize,
}

#[async_trait]
impl Watch for MemoryWatch {
    async fn next(&mut self) -> Result<Vec<u8>, QueueError> {
        let read = self.read;
        let next = next(&self.client, |state| state.reports.get(read).cloned());
        let next = next.await?;
        self.read += 1;
        Ok(next)
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.client.broker.change(|state| state.watchers -= 1);
    }
}

struct MemoryHistory {
    client: Arc<Client>,
    /// How many were read.
    read: usize,
}

#[async_trait]
impl History for MemoryHistory {
    async fn next(&mut self) -> Result<Content, QueueError> {
        self.client.alive().await;
        let read = self.read;
        let next = next(&self.client, |state| {
            state.told.get(read).map(|(_, told)| told.clone())
        });
        let next = next.await?;
        self.read += 1;
        Ok(next)
    }
}

/// Waits until `look` finds something, as long as the process has a connection.
async fn next<T>(
    client: &Client,
    mut look: impl FnMut(&State) -> Option<T>,
) -> Result<T, QueueError> {
    let next = client.broker.wait_for(|state| {
        if client.closed.load(Ordering::Relaxed) {
            let closed = QueueError::Unavailable("the queue was closed".to_owned());
            return Some(Err(closed));
        }
        state.connection(&client.name)?;
        look(state).map(Ok)
    });
    next.await
}

struct MemoryLock {
    client: Arc<Client>,
    name: String,
    holder: (Connection, u64),
}

impl Lock for MemoryLock {
    fn is_lost(&self) -> bool {
        self.client.broker.state().locks.get(&self.name) != Some(&self.holder)
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.client.broker.change(|state| {
            if state.locks.get(&self.name) == Some(&self.holder) {
                state.locks.remove(&self.name);
            }
        });
    }
}
