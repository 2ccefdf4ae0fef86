//! Publishing without us: one channel, mandatory, with confirms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm,
};

use super::{IN_FLIGHT, MESSAGE};
use crate::round::{Round, at_a_rate as paced};

/// As fast as they are confirmed.
pub async fn fast(url: &str, time: Duration) -> anyhow::Result<Round> {
    let queue = Queue::declare(url).await?;
    let begin = Instant::now();
    let round = publish(&queue, begin, |_| begin.elapsed() < time).await?;
    queue.delete().await?;
    Ok(round)
}

/// So many a second.
pub async fn at_a_rate(url: &str, time: Duration, rate: u32) -> anyhow::Result<Round> {
    let queue = Arc::new(Queue::declare(url).await?);
    let publishing = Arc::clone(&queue);
    let round = paced(rate, time, move |_| {
        let queue = Arc::clone(&publishing);
        async move { taken(queue.publish().await?).await }
    });
    let round = round.await?;
    queue.delete().await?;
    Ok(round)
}

/// So many, to a queue of somebody else's.
pub async fn fill(url: &str, queue: &str, count: u32) -> anyhow::Result<Round> {
    let queue = Queue::named(url, queue).await?;
    publish(&queue, Instant::now(), |nth| nth < count).await
}

/// Removes what our processes have left on the broker under a prefix.
pub async fn remove(url: &str, prefix: &str) -> anyhow::Result<()> {
    let queue = Queue::named(url, prefix).await?;
    let lanes = ["redirect", "outcome", "later", "notify"];
    for name in lanes.into_iter().chain(["dead", "intents", "history"]) {
        let name = format!("{prefix}.{name}");
        // One that isn't there is no error.
        queue
            .channel
            .queue_delete(name.into(), Default::default())
            .await?;
    }
    Ok(())
}

async fn publish(
    queue: &Queue,
    begin: Instant,
    goes_on: impl Fn(u32) -> bool,
) -> anyhow::Result<Round> {
    let mut pending = FuturesUnordered::new();
    let (mut took, mut nth) = (Vec::new(), 0);
    loop {
        while pending.len() < IN_FLIGHT && goes_on(nth) {
            nth += 1;
            let sent = Instant::now();
            let confirm = queue.publish().await?;
            pending.push(async move { taken(confirm).await.map(|()| sent.elapsed()) });
        }
        match pending.next().await {
            Some(confirmed) => took.push(confirmed?),
            None => return Ok(Round::new(took, begin.elapsed())),
        }
    }
}

/// Waits for the broker's word.
pub async fn taken(confirm: PublisherConfirm) -> anyhow::Result<()> {
    let taken = matches!(confirm.await?, Confirmation::Ack(None));
    ensure!(taken, "the broker did not take a message");
    Ok(())
}

/// A queue on the broker, and a channel to it.
pub struct Queue {
    _connection: Connection,
    /// With confirms.
    pub channel: Channel,
    name: String,
    body: Vec<u8>,
}

impl Queue {
    /// A quorum queue of this process's own.
    pub async fn declare(url: &str) -> anyhow::Result<Self> {
        let queue = Self::named(url, &format!("bench.raw.{}", std::process::id())).await?;
        queue.declare_as("quorum", &queue.name).await?;
        Ok(queue)
    }

    async fn named(url: &str, name: &str) -> anyhow::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok(Self {
            _connection: connection,
            channel,
            name: name.to_owned(),
            body: vec![b'x'; MESSAGE],
        })
    }

    /// Declares a durable queue of that type.
    pub async fn declare_as(&self, kind: &str, name: &str) -> anyhow::Result<()> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
        let options = QueueDeclareOptions::durable();
        self.channel
            .queue_declare(name.into(), options, arguments)
            .await?;
        Ok(())
    }

    /// Publishes a message of the usual size.
    pub async fn publish(&self) -> anyhow::Result<PublisherConfirm> {
        self.publish_to(&self.name, &self.body).await
    }

    /// Publishes to any queue.
    pub async fn publish_to(&self, queue: &str, body: &[u8]) -> anyhow::Result<PublisherConfirm> {
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let properties = BasicProperties::default().with_delivery_mode(2);
        let published =
            self.channel
                .basic_publish("".into(), queue.into(), options, body, properties);
        Ok(published.await?)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn delete(&self) -> anyhow::Result<()> {
        let name = self.name.as_str().into();
        self.channel.queue_delete(name, Default::default()).await?;
        Ok(())
    }
}
