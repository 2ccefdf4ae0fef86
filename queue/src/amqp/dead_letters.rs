//! The dead-letter queue: looking into it, and emptying it.

use std::collections::{HashSet, VecDeque};
use std::time::Instant;

use futures::future::join_all;
use jiff::Timestamp;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};

use super::client::Client;
use super::error::answer_within;
use super::lock::AmqpLock;
use super::outgoing::Outgoing;
use super::session::PooledChannel;
use super::topology;
use super::wire;
use crate::{DeadLetter, Done, Filter, Listed, QueueError, Settlement};

/// Only one process at a time looks into the queue: the others don't see what it has fetched.
const LOCK: &str = "dead-letters";

/// How many letters are fetched at a time.
const BATCH: usize = 128;

/// How many are acknowledged before that is waited for. A quorum queue puts acks off while 32 before
/// them are not done, and forgets those when the channel closes (`quorum_commands_soft_limit`).
const ACKS: usize = 16;

/// A dead letter that nobody else sees at the moment.
struct Fetched {
    tag: u64,
    letter: DeadLetter,
}

/// The dead-letter queue, locked for us. Dropped, it gives back what it has fetched, but then
/// RabbitMQ shuffles the letters; [`DeadLetterQueue::close`] keeps their order.
struct DeadLetterQueue<'a> {
    client: &'a Client,
    channel: PooledChannel,
    lock: AmqpLock,
    /// How many are still to be fetched. What comes in meanwhile is not counted: letters that die
    /// again as soon as they are replayed would be moved for ever.
    left: usize,
    /// To be given back.
    kept: Vec<Fetched>,
}

impl Client {
    pub(super) async fn oldest_dead_letters(
        &self,
        filter: &Filter,
        limit: usize,
    ) -> Result<Listed, QueueError> {
        let mut queue = DeadLetterQueue::open(self).await?;
        let wanted = filter.at_most(limit);
        let mut found = 0;
        while found < wanted && queue.left > 0 {
            let batch = queue.fetch().await?;
            let matches = |fetched: &&Fetched| filter.matches(&fetched.letter);
            found += batch.iter().filter(matches).count();
            queue.kept.extend(batch);
        }
        queue.kept.sort_by_key(|kept| kept.letter.died_at);
        let letters = queue.kept.iter().map(|kept| kept.letter.clone()).collect();
        let mut listed = filter.oldest(letters, limit);
        listed.more += queue.left;
        queue.close().await?;
        Ok(listed)
    }

    /// Does `how` to those that match, takes each from the queue after that, and tells `done`.
    pub(super) async fn settle_dead_letters(
        &self,
        filter: &Filter,
        how: Settlement,
        done: Done<'_>,
    ) -> Result<(), QueueError> {
        let mut queue = DeadLetterQueue::open(self).await?;
        let now = Timestamp::now();
        let mut told = HashSet::new();
        let mut waiting = VecDeque::new();
        let mut outcome = Ok(());
        while outcome.is_ok() && (queue.left > 0 || !waiting.is_empty()) {
            if waiting.is_empty() {
                let mut batch = queue.fetch().await?;
                // They are replayed in their order, which takes all of them.
                while how == Settlement::Replay && queue.left > 0 {
                    batch.extend(queue.fetch().await?);
                }
                batch.sort_by_key(|fetched| fetched.letter.died_at);
                waiting.extend(batch);
            }
            let mut acked = Vec::new();
            while acked.len() < ACKS
                && let Some(fetched) = waiting.pop_front()
            {
                if !filter.matches(&fetched.letter) {
                    queue.kept.push(fetched);
                    continue;
                }
                if how == Settlement::Replay {
                    let again = fetched.letter.replayed(now);
                    let again = Outgoing::message(&self.topology, again.lane_again(), again);
                    outcome = self.publish(again).await;
                }
                if outcome.is_err() {
                    queue.kept.push(fetched);
                    break;
                }
                let ack = BasicAckOptions::default();
                self.answer(queue.channel.basic_ack(fetched.tag, ack))
                    .await?;
                acked.push(fetched.letter.id);
            }
            // An ack has no answer, but a get after it has.
            for next in queue.get(1).await? {
                match queue.left.checked_sub(1) {
                    Some(left) => {
                        queue.left = left;
                        waiting.push_back(next);
                    }
                    None => queue.kept.push(next),
                }
            }
            acked.retain(|id| told.insert(id.clone()));
            acked.into_iter().for_each(&mut *done);
        }
        queue.kept.extend(waiting);
        queue.close().await?;
        outcome
    }

    async fn answer<T>(
        &self,
        asked: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, QueueError> {
        Ok(answer_within(self.answer_timeout, asked).await?)
    }
}

impl<'a> DeadLetterQueue<'a> {
    async fn open(client: &'a Client) -> Result<Self, QueueError> {
        let dead = &client.topology.dead;
        let lock = client.try_lock(LOCK).await?;
        let lock =
            lock.ok_or_else(|| QueueError::Busy(format!("the queue {:?}", dead.as_str())))?;
        let mut queue = Self {
            client,
            channel: client.consuming.channel().await?,
            lock,
            left: 0,
            kept: Vec::new(),
        };
        queue.left = queue.length().await?;
        Ok(queue)
    }

    /// The next ones, fewer if somebody else takes some.
    async fn fetch(&mut self) -> Result<Vec<Fetched>, QueueError> {
        let count = self.left.min(BATCH);
        self.left -= count;
        self.get(count).await
    }

    async fn get(&self, count: usize) -> Result<Vec<Fetched>, QueueError> {
        let dead = &self.client.topology.dead;
        let get = || {
            self.channel
                .basic_get(dead.clone(), BasicGetOptions::default())
        };
        let got = join_all((0..count).map(|_| self.client.answer(get()))).await;
        let got = got.into_iter().collect::<Result<Vec<_>, _>>()?;
        let fetched = got.into_iter().flatten().map(|got| Fetched {
            tag: got.delivery.delivery_tag,
            letter: wire::dead_letter(&got.delivery.properties, got.delivery.data),
        });
        Ok(fetched.collect())
    }

    /// Gives back what was kept, and waits until the next one sees it.
    async fn close(mut self) -> Result<(), QueueError> {
        self.kept.sort_by_key(|kept| kept.letter.died_at);
        let back = BasicNackOptions {
            multiple: false,
            requeue: true,
        };
        // One by one: RabbitMQ keeps the order only then.
        for kept in &self.kept {
            let nack = self.channel.basic_nack(kept.tag, back);
            self.client.answer(nack).await?;
        }
        let until = Instant::now() + self.client.answer_timeout;
        let count = self.kept.len() + self.left;
        while self.length().await? < count && Instant::now() < until {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        self.channel.give_back();
        self.lock.release().await;
        Ok(())
    }

    async fn length(&self) -> Result<usize, QueueError> {
        let dead = &self.client.topology.dead;
        let dead = topology::inspect(&self.channel, dead, self.client.answer_timeout).await?;
        Ok(usize::try_from(dead.message_count()).unwrap_or(usize::MAX))
    }
}
