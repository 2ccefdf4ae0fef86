//! What the parts of one process's queue share: its way to the broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::time::timeout;

use super::broker::{Connection, Shared, State};
use super::{Loss, Operation};
use crate::{DeadLetter, DeadLetterId, Filter, Lane, Options, QueueError, RawMessage, Report};

pub(super) struct Client {
    pub(super) broker: Arc<Shared>,
    pub(super) name: String,
    pub(super) options: Options,
    pub(super) closed: AtomicBool,
    /// What the process says of itself.
    pub(super) report: Mutex<Option<Report>>,
}

impl Client {
    pub(super) fn new(broker: Arc<Shared>, name: &str, options: Options) -> Self {
        Self {
            broker,
            name: name.to_owned(),
            options,
            closed: AtomicBool::new(false),
            report: Mutex::default(),
        }
    }

    /// What the process says of itself now, if it says anything.
    pub(super) fn says(&self) -> Option<Vec<u8>> {
        let report = self.report.lock().clone();
        report.map(|report| report())
    }

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

    pub(super) async fn publish(&self, message: RawMessage) -> Result<(), QueueError> {
        let max_length = self.options.max_length;
        let lane = message.lane();
        let (broker, later) = (Arc::clone(&self.broker), self.options.later);
        let published = self.ask(Operation::Publish, |state, _| {
            let length = state.length(lane);
            if lane.is_limited() && max_length.is_some_and(|max| length >= max) {
                return Err(QueueError::Refused("it is full".to_owned()));
            }
            let number = state.insert(message, lane);
            if lane == Lane::Later {
                tokio::spawn(async move {
                    tokio::time::sleep(later).await;
                    broker.change(|state| state.move_on(number));
                });
            }
            Ok(())
        });
        published.await?
    }

    /// Takes the dead letters that match, and does `work` with each.
    pub(super) fn take(
        &self,
        filter: &Filter,
        mut work: impl FnMut(&mut State, DeadLetter),
    ) -> Result<Vec<DeadLetterId>, QueueError> {
        self.connection()?;
        Ok(self.broker.change(|state| {
            let (taken, left) = std::mem::take(&mut state.dead)
                .into_iter()
                .partition::<Vec<_>, _>(|letter| filter.matches(letter));
            state.dead = left;
            let ids = taken.iter().map(|letter| letter.id.clone()).collect();
            for letter in taken {
                work(state, letter);
            }
            ids
        }))
    }
}
