//! RabbitMQ: quorum queues that many processes share, and streams for the log of intents and for what
//! is told.
//!
//! There are two connections: one publishes, one does everything else. A broker short of memory
//! stops reading from connections that publish; the other one still consumes, locks and asks. Where
//! there is something to tell there are two more (`tell`).

mod client;
mod connect;
mod connection;
mod consume;
mod dead_letters;
mod error;
mod history;
mod intents;
mod lock;
mod outgoing;
mod position;
mod publish;
mod publisher;
mod reports;
mod session;
mod subscription;
mod tell;
mod topology;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lapin::types::ShortString;
use tokio::runtime::Handle;

use self::client::{Client, Locks};
use self::connect::Role;
use self::connection::{Connection, Nodes};
use self::consume::AmqpConsumer;
use self::error::ANSWER_TIMEOUT;
use self::history::AmqpHistory;
use self::intents::AmqpIntentLog;
use self::outgoing::Outgoing;
use self::reports::{AmqpWatch, Reporting};
use self::session::PooledChannel;
use self::tell::Teller;
use self::topology::Topology;
pub use self::topology::message_queues;
use crate::{
    Consumer, Content, DeadLetters, Done, Filter, Health, History, IntentLog, IntentReader, Lane,
    Listed, Lock, Message, Options, Publish, Queue, QueueError, Report, Settlement, Stats, Watch,
};

/// A queue on RabbitMQ.
pub struct AmqpQueue(Arc<Client>, Reporting);

impl AmqpQueue {
    /// Connects to one of the broker's `nodes` and declares what is ours. A broker that is away is no
    /// error: connecting goes on in the background.
    ///
    /// # Errors
    /// Waiting won't help: the broker has other things under our names. Or it refuses our
    /// credentials or virtual host, unless the options say to wait for that.
    pub async fn open(nodes: &[url::Url], options: Options) -> Result<Self, QueueError> {
        let topology = Topology::new(&options)?;
        let nodes = Nodes::new(nodes, options.url_file.clone())?;
        let connection = |role| Connection::start(nodes.clone(), role, topology.clone());
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let waits = options.waits_for_access;
        // One after the other: the first declares, the second finds it declared.
        let consuming = connection(Role::EverythingElse);
        consuming.first_attempt(deadline, waits).await?;
        let publishing = Arc::new(connection(Role::Publishing));
        publishing.first_attempt(deadline, waits).await?;

        if let Some(limit) = options.answer_timeout {
            let both = async {
                consuming.connected().await?;
                publishing.connected().await
            };
            // If it takes longer, the first question says what is wrong.
            if let Ok(Err(error)) = tokio::time::timeout(limit, both).await {
                return Err(error);
            }
        }
        let client = Client {
            publisher: publisher::start(publishing.clone()),
            publishing,
            consuming,
            tellers: [Role::Telling, Role::Recording]
                .map(|role| Teller::start(nodes.clone(), role, topology.clone())),
            topology,
            locks: Locks::default(),
            publish_timeout: options.publish_timeout,
            answer_timeout: options.answer_timeout.unwrap_or(ANSWER_TIMEOUT),
            runtime: Handle::current(),
        };
        Ok(Self(Arc::new(client), Reporting::default()))
    }

    /// Removes from the broker all that is ours, with whatever is in it, and disconnects.
    ///
    /// # Errors
    /// The broker can't be asked, or refuses.
    pub async fn remove(self) -> Result<(), QueueError> {
        let channel = self.0.consuming.channel().await?;
        let removed = self.0.topology.remove(&channel).await;
        self.close().await;
        removed
    }
}

async fn inspect(channel: &PooledChannel, queue: &ShortString) -> Result<lapin::Queue, QueueError> {
    let found = topology::inspect(channel, queue, ANSWER_TIMEOUT).await;
    found.map_err(|error| {
        if error.is_not_found() {
            channel.session().redeclare();
        }
        error.into()
    })
}

#[async_trait]
impl Publish for AmqpQueue {
    async fn publish(&self, message: &Message) -> Result<(), QueueError> {
        let message = message.encode();
        let outgoing = Outgoing::message(&self.0.topology, message.lane(), message);
        self.0.publish(outgoing).await
    }
}

#[async_trait]
impl DeadLetters for AmqpQueue {
    async fn oldest(&self, filter: &Filter, limit: usize) -> Result<Listed, QueueError> {
        self.0.oldest_dead_letters(filter, limit).await
    }

    async fn settle(
        &self,
        filter: &Filter,
        how: Settlement,
        done: Done<'_>,
    ) -> Result<(), QueueError> {
        self.0.settle_dead_letters(filter, how, done).await
    }
}

#[async_trait]
impl Queue for AmqpQueue {
    async fn consume(&self, lane: Lane, prefetch: u16) -> Result<Box<dyn Consumer>, QueueError> {
        let queue = self.0.topology.queue(lane).clone();
        Ok(Box::new(AmqpConsumer::new(self.0.clone(), queue, prefetch)))
    }

    async fn tell(&self, told: &Content) {
        let Client {
            topology,
            tellers: [telling, recording],
            ..
        } = &*self.0;
        let outgoing = Outgoing::told(topology, told);
        if let Some(outgoing) = outgoing.to_users(topology, told) {
            telling.tell(outgoing);
        }
        recording.tell(outgoing);
    }

    async fn history(&self, past: Duration) -> Result<Box<dyn History>, QueueError> {
        Ok(Box::new(AmqpHistory::new(self.0.clone(), past)))
    }

    fn report(&self, report: Report) {
        self.1.start(&self.0, report);
    }

    async fn watch(&self) -> Result<Box<dyn Watch>, QueueError> {
        let watch = AmqpWatch::start(Arc::clone(&self.0));
        Ok(Box::new(watch.await?))
    }

    async fn try_lock(&self, name: &str) -> Result<Option<Box<dyn Lock>>, QueueError> {
        let lock = self.0.try_lock(name).await?;
        Ok(lock.map(|lock| Box::new(lock) as Box<dyn Lock>))
    }

    fn intents(&self, reader: Arc<dyn IntentReader>) -> Arc<dyn IntentLog> {
        let client = self.0.clone();
        Arc::new(AmqpIntentLog::start(client, reader, &self.0.runtime))
    }

    async fn stats(&self) -> Result<Stats, QueueError> {
        let channel = self.0.consuming.channel().await?;
        let queue = inspect(&channel, self.0.topology.queue(Lane::Redirects)).await?;
        let dead = inspect(&channel, &self.0.topology.dead).await?;
        channel.give_back();
        Ok(Stats {
            ready: queue.message_count().into(),
            unacked: None,
            consumers: queue.consumer_count().into(),
            dead: dead.message_count().into(),
            other_lanes: None,
            oldest: None,
        })
    }

    fn health(&self) -> Health {
        match self.0.publishing.health() {
            Health::Up if self.0.publisher.is_closed() => Health::Broken(
                "publishing has stopped because of a bug in this program: restart it".to_owned(),
            ),
            Health::Up => self.0.consuming.health(),
            trouble => trouble,
        }
    }

    async fn close(&self) {
        self.1.close(&self.0);
        let [telling, recording] = &self.0.tellers;
        tokio::join!(
            telling.close(),
            recording.close(),
            self.0.publishing.close(),
            self.0.consuming.close()
        );
    }
}
