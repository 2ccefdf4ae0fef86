//! RabbitMQ: quorum queues that many processes share, and a stream for the log of intents.
//!
//! Two connections, each made again whenever it is lost: one publishes, one does everything else.
//! A broker short of memory stops reading from connections that publish; consuming, leases and
//! questions go on beside.

mod address;
mod channels;
mod connection;
mod consumer;
mod dead_letters;
mod entry;
mod fault;
mod intents;
mod lease;
mod link;
mod place;
mod publisher;
mod settle;
mod socket;
mod subscription;
mod topology;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lapin::types::ShortString;
use tokio::runtime::Handle;

use self::address::Address;
use self::channels::{Borrowed, Role};
use self::connection::Connection;
use self::consumer::AmqpConsumer;
use self::dead_letters::Morgue;
use self::fault::{ANSWER_WITHIN, NOT_FOUND};
use self::intents::AmqpIntentLog;
use self::lease::Leases;
use self::link::Target;
use self::publisher::{Letter, Publisher};
use self::topology::Topology;
pub use self::topology::message_queues;
use crate::{
    Consumer, DeadLetters, Done, Filter, Health, IntentLog, IntentReader, Lease, Listed, Message,
    Options, Publish, Queue, QueueError, Settlement, Stats,
};

/// A queue on RabbitMQ.
pub struct AmqpQueue {
    publishing: Arc<Connection>,
    consuming: Arc<Connection>,
    publisher: Arc<Publisher>,
    topology: Arc<Topology>,
    leases: Leases,
    dead_letters: Morgue,
    publish_timeout: Duration,
    runtime: Handle,
}

impl AmqpQueue {
    /// Connects to one of the broker's `nodes` and declares what is ours. A broker that is away is no
    /// error: connecting goes on in the background.
    ///
    /// # Errors
    /// What no waiting mends: the broker has other things under our names; and where that is not
    /// waited out, it refuses our credentials or virtual host.
    pub async fn open(nodes: &[url::Url], options: Options) -> Result<Self, QueueError> {
        let topology = Topology::new(&options)?;
        let address = Address::new(nodes, options.url_file.clone())?;
        let connection = |role| {
            Connection::start(Target {
                address: address.clone(),
                role,
                topology: topology.clone(),
                runtime: Handle::current(),
            })
        };
        let deadline = Instant::now() + ANSWER_WITHIN;
        // One after the other: the first declares, the second finds it declared.
        let consuming = connection(Role::Consuming);
        consuming
            .settled(deadline, options.waits_for_access)
            .await?;
        let publishing = connection(Role::Publishing);
        publishing
            .settled(deadline, options.waits_for_access)
            .await?;

        if let Some(patience) = options.patience {
            let both = async {
                consuming.connected().await?;
                publishing.connected().await
            };
            // Later questions say what is wrong.
            if let Ok(Err(error)) = tokio::time::timeout(patience, both).await {
                return Err(error);
            }
        }
        let topology = Arc::new(topology);
        let publisher = Arc::new(Publisher::new(publishing.clone(), options.publish_timeout));
        let leases = Leases::default();
        let dead_letters = Morgue {
            connection: consuming.clone(),
            publisher: publisher.clone(),
            topology: topology.clone(),
            leases: leases.clone(),
            patience: options.patience.unwrap_or(ANSWER_WITHIN),
        };
        Ok(Self {
            publishing,
            consuming,
            publisher,
            topology,
            leases,
            dead_letters,
            publish_timeout: options.publish_timeout,
            runtime: Handle::current(),
        })
    }

    /// Removes from the broker all that is ours, with whatever is in it, and disconnects.
    ///
    /// # Errors
    /// The broker can't be asked, or refuses.
    pub async fn remove(self) -> Result<(), QueueError> {
        let channel = self.consuming.channel().await?;
        let removed = self.topology.remove(&channel).await;
        self.close().await;
        removed
    }

    async fn look(
        &self,
        channel: &Borrowed,
        queue: &ShortString,
    ) -> Result<lapin::Queue, QueueError> {
        let found = topology::look(channel, queue, ANSWER_WITHIN).await;
        found.map_err(|error| {
            if error.reply_code() == Some(NOT_FOUND) {
                channel.link().misses_topology();
            }
            error.into()
        })
    }
}

#[async_trait]
impl Publish for AmqpQueue {
    async fn publish(&self, message: &Message) -> Result<(), QueueError> {
        let letter = Letter::request(&self.topology, message.encode());
        self.publisher.publish(letter).await
    }
}

#[async_trait]
impl DeadLetters for AmqpQueue {
    async fn oldest(&self, filter: &Filter, limit: usize) -> Result<Listed, QueueError> {
        self.dead_letters.oldest(filter, limit).await
    }

    async fn settle(
        &self,
        filter: &Filter,
        how: Settlement,
        done: Done<'_>,
    ) -> Result<(), QueueError> {
        self.dead_letters.settle(filter, how, done).await
    }
}

#[async_trait]
impl Queue for AmqpQueue {
    async fn consume(&self, prefetch: u16) -> Result<Box<dyn Consumer>, QueueError> {
        Ok(Box::new(AmqpConsumer::new(
            self.consuming.clone(),
            self.publisher.clone(),
            self.topology.clone(),
            prefetch,
        )))
    }

    async fn try_lease(&self, name: &str) -> Result<Option<Box<dyn Lease>>, QueueError> {
        let lease = self
            .leases
            .take(name, &self.topology, &self.consuming)
            .await?;
        Ok(lease.map(|lease| Box::new(lease) as Box<dyn Lease>))
    }

    fn intents(&self, reader: Arc<dyn IntentReader>) -> Arc<dyn IntentLog> {
        Arc::new(AmqpIntentLog::start(
            self.publisher.clone(),
            self.consuming.clone(),
            self.topology.clone(),
            self.publish_timeout,
            reader,
            &self.runtime,
        ))
    }

    async fn stats(&self) -> Result<Stats, QueueError> {
        let channel = self.consuming.channel().await?;
        let queue = self.look(&channel, &self.topology.queue).await?;
        let dead = self.look(&channel, &self.topology.dead).await?;
        channel.give_back();
        Ok(Stats {
            ready: queue.message_count().into(),
            leased: None,
            consumers: queue.consumer_count().into(),
            dead: dead.message_count().into(),
            oldest: None,
        })
    }

    fn health(&self) -> Health {
        match self.publishing.health() {
            Health::Up => self.consuming.health(),
            trouble => trouble,
        }
    }

    async fn close(&self) {
        tokio::join!(self.publishing.close(), self.consuming.close());
    }
}
