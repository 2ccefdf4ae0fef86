//! Looking into the queue of dead letters, and emptying it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::Timestamp;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};

use super::channels::Borrowed;
use super::connection::Connection;
use super::fault::{ANSWER_WITHIN, answer};
use super::lease::{AmqpLease, Leases};
use super::publisher::{Letter, Publisher};
use super::topology::{self, Topology};
use super::wire;
use crate::{DeadLetter, DeadLetterId, Filter, QueueError};

/// Only one process at a time looks into the queue: what one holds, others don't see.
const LEASE: &str = "dead-letters";

/// How many letters are asked for at a time.
const BATCH: usize = 32;

/// What it takes to get at the dead letters.
pub(super) struct Morgue {
    pub(super) connection: Arc<Connection>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) topology: Arc<Topology>,
    pub(super) leases: Leases,
}

/// What becomes of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settlement {
    Replay,
    Discard,
}

/// A dead letter that nobody else sees at the moment.
struct Held {
    tag: u64,
    letter: DeadLetter,
}

/// All dead letters, oldest first, held until they are given back. Dropped, they go back as well,
/// but RabbitMQ then shuffles them.
struct Visit {
    channel: Borrowed,
    letters: Vec<Held>,
    lease: AmqpLease,
}

impl Morgue {
    pub(super) async fn list(&self, filter: &Filter) -> Result<Vec<DeadLetter>, QueueError> {
        let visit = self.visit().await?;
        let now = Timestamp::now();
        let listed = visit
            .letters
            .iter()
            .filter(|held| filter.matches(&held.letter, now))
            .map(|held| held.letter.clone())
            .collect();
        self.leave(visit).await?;
        Ok(listed)
    }

    /// Takes those that match from the queue, each after `how` has been done to it, and names them.
    pub(super) async fn settle(
        &self,
        filter: &Filter,
        how: Settlement,
    ) -> Result<Vec<DeadLetterId>, QueueError> {
        let mut visit = self.visit().await?;
        let now = Timestamp::now();
        let (chosen, others): (Vec<Held>, Vec<Held>) = std::mem::take(&mut visit.letters)
            .into_iter()
            .partition(|held| filter.matches(&held.letter, now));
        visit.letters = others;

        let mut chosen = chosen.into_iter();
        let mut settled = Vec::new();
        let mut seen = HashSet::new();
        let mut outcome = Ok(());
        for held in chosen.by_ref() {
            if how == Settlement::Replay {
                outcome = self.replay(&held.letter, now).await;
            }
            if outcome.is_err() {
                visit.letters.push(held);
                break;
            }
            answer(
                visit
                    .channel
                    .basic_ack(held.tag, BasicAckOptions::default()),
            )
            .await?;
            if seen.insert(held.letter.id.clone()) {
                settled.push(held.letter.id);
            }
        }
        visit.letters.extend(chosen);
        self.leave(visit).await?;
        outcome.map(|()| settled)
    }

    async fn replay(&self, letter: &DeadLetter, now: Timestamp) -> Result<(), QueueError> {
        let letter = Letter::request(&self.topology, letter.replayed(now));
        self.publisher.publish(letter).await
    }

    async fn visit(&self) -> Result<Visit, QueueError> {
        let lease = self
            .leases
            .take(LEASE, &self.topology, &self.connection)
            .await?
            .ok_or_else(|| {
                QueueError::Busy(format!("the queue {:?}", self.topology.dead.as_str()))
            })?;
        let channel = self.connection.channel().await?;
        let get = || channel.basic_get(self.topology.dead.clone(), BasicGetOptions::default());
        let mut letters = Vec::new();
        let mut is_empty = false;
        while !is_empty {
            for got in join_all((0..BATCH).map(|_| answer(get()))).await {
                match got? {
                    Some(got) => letters.push(Held {
                        tag: got.delivery.delivery_tag,
                        letter: wire::dead_letter(&got.delivery.properties, got.delivery.data),
                    }),
                    None => is_empty = true,
                }
            }
        }
        letters.sort_by_key(|held| held.letter.died_at);
        Ok(Visit {
            channel,
            letters,
            lease,
        })
    }

    /// Gives back what is left, and waits until it is there for the next one to see. One by one:
    /// RabbitMQ keeps the order of these only.
    async fn leave(&self, mut visit: Visit) -> Result<(), QueueError> {
        visit.letters.sort_by_key(|held| held.letter.died_at);
        let back = BasicNackOptions {
            multiple: false,
            requeue: true,
        };
        for held in &visit.letters {
            answer(visit.channel.basic_nack(held.tag, back)).await?;
        }
        let until = Instant::now() + ANSWER_WITHIN;
        while self.ready(&visit.channel).await? < visit.letters.len() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        visit.channel.give_back();
        visit.lease.give_up().await;
        Ok(())
    }

    async fn ready(&self, channel: &Borrowed) -> Result<usize, QueueError> {
        let dead = topology::look(channel, &self.topology.dead).await?;
        Ok(usize::try_from(dead.message_count()).unwrap_or(usize::MAX))
    }
}
