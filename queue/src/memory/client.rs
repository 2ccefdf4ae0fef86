//! The queue as one process sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::timeout;

use super::broker::{Connection, Shared, State};
use super::consumer::MemoryConsumer;
use super::intents::MemoryLog;
use super::{Loss, Operation};
use crate::{
    Consumer, DeadLetter, DeadLetterId, DeadLetters, Done, Filter, Health, IntentLog, IntentReader,
    Listed, Lock, Message, Options, Publish, Queue, QueueError, RawMessage, Settlement, Stats,
};

/// A queue in memory.
pub struct MemoryQueue(Arc<Client>);

pub(super) struct Client {
    pub(super) broker: Arc<Shared>,
    pub(super) name: String,
    pub(super) options: Options,
    pub(super) closed: AtomicBool,
}

impl MemoryQueue {
    pub(super) fn new(broker: Arc<Shared>, name: &str, options: Options) -> Self {
        Self(Arc::new(Client {
            broker,
            name: name.to_owned(),
            options,
            closed: AtomicBool::new(false),
        }))
    }
}

impl Client {
    /// The connection, if there is one now.
    pub(super) fn connection(&self) -> Result<Connection, QueueError> {
        let away = |why: &str| QueueError::Unavailable(why.to_owned());
        if self.closed.load(Ordering::Relaxed) {
            return Err(away("the queue was closed"));
        }
        let connection = self.broker.state().connection(&self.name);
        connection.ok_or_else(|| away("the connection was lost"))
    }

    /// Does `work` at the broker, unless the weather or the loss of the connection prevents it.
    pub(super) async fn ask<T>(
        &self,
        operation: Operation,
        work: impl FnOnce(&mut State, Connection) -> T,
    ) -> Result<T, QueueError> {
        self.alive().await;
        let connection = self.connection()?;
        let fate = self.broker.fate(&self.name, operation);
        self.alive().await;
        let asked = async {
            if !fate.delay.is_zero() {
                tokio::time::sleep(fate.delay).await;
            }
            let lost = || QueueError::Unavailable("the connection was lost".to_owned());
            let done = match fate.loss {
                Some(Loss::Request) => std::future::pending().await,
                _ => self.broker.change(|state| match state.is_up(connection) {
                    true => Ok(work(state, connection)),
                    false => Err(lost()),
                }),
            };
            match fate.loss {
                None => done,
                Some(_) => std::future::pending().await,
            }
        };
        let limit = self.options.publish_timeout;
        let answer = timeout(limit, asked).await;
        // A process that was frozen finds the answer before the timeout when it goes on.
        if !fate.freeze.is_zero() {
            tokio::time::sleep(fate.freeze).await;
        }
        self.alive().await;
        answer.unwrap_or_else(|_| Err(QueueError::TimedOut(limit)))
    }

    /// Never returns once the process was killed, so that what is left of it does nothing.
    pub(super) async fn alive(&self) {
        if self.broker.state().is_killed(&self.name) {
            std::future::pending::<()>().await;
        }
    }

    async fn publish(&self, message: RawMessage) -> Result<(), QueueError> {
        let max_length = self.options.max_length;
        let published = self.ask(Operation::Publish, |state, _| {
            let length = (state.ready.len() + state.unacked.len()) as u64;
            if max_length.is_some_and(|max| length >= max) {
                return Err(QueueError::Refused("it is full".to_owned()));
            }
            state.insert(message);
            Ok(())
        });
        published.await?
    }

    /// Takes the dead letters that match, and does `work` with each.
    fn take(
        &self,
        filter: &Filter,
        mut work: impl FnMut(&mut State, DeadLetter),
    ) -> Result<Vec<DeadLetterId>, QueueError> {
        self.connection()?;
        let now = Timestamp::now();
        Ok(self.broker.change(|state| {
            let (taken, left) = std::mem::take(&mut state.dead)
                .into_iter()
                .partition::<Vec<_>, _>(|letter| filter.matches(letter, now));
            state.dead = left;
            let ids = taken.iter().map(|letter| letter.id.clone()).collect();
            for letter in taken {
                work(state, letter);
            }
            ids
        }))
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
                state.insert(letter.replayed(now));
            }
        })?;
        taken.into_iter().for_each(done);
        Ok(())
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn consume(&self, prefetch: u16) -> Result<Box<dyn Consumer>, QueueError> {
        self.0.alive().await;
        let client = Arc::clone(&self.0);
        Ok(Box::new(MemoryConsumer::new(client, usize::from(prefetch))))
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
        Ok(Stats {
            ready: state.ready.len() as u64,
            unacked: Some(state.unacked.len() as u64),
            consumers: state.consumers.len() as u64,
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
            let limit = self.0.options.delivery_limit;
            self.0.broker.change(|state| state.lose(connection, limit));
        }
        self.0.closed.store(true, Ordering::Relaxed);
    }
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
