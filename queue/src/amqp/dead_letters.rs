//! Looking into the queue of dead letters, and emptying it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::Timestamp;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};

use super::channels::Borrowed;
use super::connection::Connection;
use super::fault::answer_within;
use super::lease::{AmqpLease, Leases};
use super::publisher::{Letter, Publisher};
use super::topology::{self, Topology};
use super::wire;
use crate::{DeadLetter, Done, Filter, Listed, QueueError, Settlement};

/// Only one process at a time looks into the queue: what one holds, others don't see.
const LEASE: &str = "dead-letters";

/// How many letters are asked for at a time.
const BATCH: usize = 128;

/// What it takes to get at the dead letters.
pub(super) struct Morgue {
    pub(super) connection: Arc<Connection>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) topology: Arc<Topology>,
    pub(super) leases: Leases,
    /// How long each question may take.
    pub(super) patience: Duration,
}

/// A dead letter that nobody else sees at the moment.
struct Held {
    tag: u64,
    letter: DeadLetter,
}

/// The right to look, and the letters that are held meanwhile. Dropped, they go back as well, but
/// RabbitMQ then shuffles them.
struct Visit {
    channel: Borrowed,
    /// Not looked at yet. What comes in meanwhile is not looked at, or letters that die again as soon
    /// as they are replayed would be moved for ever.
    left: usize,
    held: Vec<Held>,
    lease: AmqpLease,
}

impl Morgue {
    pub(super) async fn oldest(&self, filter: &Filter, limit: usize) -> Result<Listed, QueueError> {
        let mut visit = self.enter().await?;
        let now = Timestamp::now();
        let wanted = filter.at_most(limit);
        let mut found = 0;
        while found < wanted && visit.left > 0 {
            let batch = self.next(&mut visit).await?;
            let matches = |held: &&Held| filter.matches(&held.letter, now);
            found += batch.iter().filter(matches).count();
            visit.held.extend(batch);
        }
        visit.held.sort_by_key(|held| held.letter.died_at);
        let letters = visit.held.iter().map(|held| held.letter.clone()).collect();
        let mut listed = filter.oldest(letters, limit);
        listed.more += visit.left;
        self.leave(visit).await?;
        Ok(listed)
    }

    /// Takes those that match from the queue, each after `how` has been done to it, and tells `done`.
    pub(super) async fn settle(
        &self,
        filter: &Filter,
        how: Settlement,
        done: Done<'_>,
    ) -> Result<(), QueueError> {
        let mut visit = self.enter().await?;
        let now = Timestamp::now();
        let mut seen = HashSet::new();
        let mut outcome = Ok(());
        while outcome.is_ok() && visit.left > 0 {
            let mut batch = self.next(&mut visit).await?;
            // They go back in their order, which takes all of them.
            while how == Settlement::Replay && visit.left > 0 {
                batch.extend(self.next(&mut visit).await?);
            }
            batch.sort_by_key(|held| held.letter.died_at);
            let (chosen, others): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .partition(|held| filter.matches(&held.letter, now));
            visit.held.extend(others);
            let mut chosen = chosen.into_iter();
            for held in chosen.by_ref() {
                outcome = self.publish(how, &held.letter, now).await;
                if outcome.is_err() {
                    visit.held.push(held);
                    break;
                }
                let ack = visit
                    .channel
                    .basic_ack(held.tag, BasicAckOptions::default());
                self.answer(ack).await?;
                if seen.insert(held.letter.id.clone()) {
                    done(held.letter.id);
                }
            }
            visit.held.extend(chosen);
        }
        self.leave(visit).await?;
        outcome
    }

    async fn publish(
        &self,
        how: Settlement,
        letter: &DeadLetter,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        match how {
            Settlement::Discard => Ok(()),
            Settlement::Replay => {
                let letter = Letter::request(&self.topology, letter.replayed(now));
                self.publisher.publish(letter).await
            }
        }
    }

    async fn enter(&self) -> Result<Visit, QueueError> {
        let lease = self
            .leases
            .take(LEASE, &self.topology, &self.connection)
            .await?
            .ok_or_else(|| {
                QueueError::Busy(format!("the queue {:?}", self.topology.dead.as_str()))
            })?;
        let channel = self.connection.channel().await?;
        let left = self.ready(&channel).await?;
        Ok(Visit {
            channel,
            left,
            held: Vec::new(),
            lease,
        })
    }

    /// The next ones, fewer where somebody else takes some.
    async fn next(&self, visit: &mut Visit) -> Result<Vec<Held>, QueueError> {
        let count = visit.left.min(BATCH);
        visit.left -= count;
        let queue = &self.topology.dead;
        let channel = &visit.channel;
        let get = || channel.basic_get(queue.clone(), BasicGetOptions::default());
        let got = join_all((0..count).map(|_| self.answer(get()))).await;
        let got = got.into_iter().collect::<Result<Vec<_>, _>>()?;
        let held = got.into_iter().flatten().map(|got| Held {
            tag: got.delivery.delivery_tag,
            letter: wire::dead_letter(&got.delivery.properties, got.delivery.data),
        });
        Ok(held.collect())
    }

    /// Gives back what is held, and waits until it is there for the next one to see. One by one:
    /// RabbitMQ keeps the order of these only.
    async fn leave(&self, mut visit: Visit) -> Result<(), QueueError> {
        visit.held.sort_by_key(|held| held.letter.died_at);
        let back = BasicNackOptions {
            multiple: false,
            requeue: true,
        };
        for held in &visit.held {
            self.answer(visit.channel.basic_nack(held.tag, back))
                .await?;
        }
        let until = Instant::now() + self.patience;
        let count = visit.held.len() + visit.left;
        while self.ready(&visit.channel).await? < count && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        visit.channel.give_back();
        visit.lease.give_up().await;
        Ok(())
    }

    async fn ready(&self, channel: &Borrowed) -> Result<usize, QueueError> {
        let dead = topology::look(channel, &self.topology.dead, self.patience).await?;
        Ok(usize::try_from(dead.message_count()).unwrap_or(usize::MAX))
    }

    async fn answer<T>(
        &self,
        asked: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, QueueError> {
        Ok(answer_within(self.patience, asked).await?)
    }
}
