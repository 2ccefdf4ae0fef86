//! The way of a redirect without us: consumed, an intent published to a stream and read back, an HTTP
//! request, acknowledged.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, Consumer};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::publisher::{Queue, taken};
use crate::callbacks;
use crate::round::{Round, at_a_rate};

/// As our redirector's defaults.
const PREFETCH: u16 = 2000;
const REQUESTS_IN_FLIGHT: usize = 50;

/// So many messages that wait on a queue.
pub async fn backlog(url: &str, api: &str, count: u32) -> anyhow::Result<Round> {
    let broker = Arc::new(Broker::connect(url).await?);
    for _ in 0..count.div_ceil(1000) {
        let published = stream::iter(0..1000).map(|_| broker.queue.publish());
        let confirms: Vec<_> = published.buffered(64).try_collect().await?;
        for confirm in confirms {
            taken(confirm).await?;
        }
    }
    // A client can't do without, even where it needs none.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::new();
    let deliveries = broker.consume(broker.queue.name(), FieldTable::default());
    let deliveries = deliveries.await?;
    let begin = Instant::now();
    let redirects = deliveries.take(count as usize).enumerate();
    let redirects = redirects.map(|(nth, delivery)| {
        let (broker, http) = (Arc::clone(&broker), http.clone());
        let account = callbacks::ACCOUNT;
        let call = callbacks::call_sid(nth as u64);
        let url = format!("{api}/2010-04-01/Accounts/{account}/Calls/{call}.json");
        let redirect = tokio::spawn(async move {
            let taken = Instant::now();
            let delivery: Delivery = delivery?;
            broker.intent(nth as u64).await?;
            let body = format!("Twiml={}", "x".repeat(300));
            let asked = http.post(url).basic_auth(account, Some(callbacks::TOKEN));
            asked
                .body(body)
                .send()
                .await?
                .error_for_status()?
                .bytes()
                .await?;
            delivery.acker.ack(BasicAckOptions::default()).await?;
            anyhow::Ok(taken.elapsed())
        });
        async move { redirect.await? }
    });
    let took = redirects.buffer_unordered(REQUESTS_IN_FLIGHT).try_collect();
    Ok(Round::new(took.await?, begin.elapsed()))
}

/// From a publish until the intent of what was consumed is read back, at so many a second.
pub async fn events(url: &str, time: Duration, rate: u32) -> anyhow::Result<Round> {
    let broker = Arc::new(Broker::connect(url).await?);
    let mut deliveries = broker
        .consume(broker.queue.name(), FieldTable::default())
        .await?;
    let arrived: Arc<Mutex<HashMap<u64, oneshot::Sender<Delivery>>>> = Arc::default();
    let awaited = Arc::clone(&arrived);
    tokio::spawn(async move {
        while let Some(Ok(delivery)) = deliveries.next().await {
            let number = number(&delivery.data);
            if let Some(waiting) = number.and_then(|number| awaited.lock().remove(&number)) {
                // An error means that the round is over.
                let _ = waiting.send(delivery);
            }
        }
    });
    at_a_rate(rate, time, move |nth| {
        let (broker, arrived) = (Arc::clone(&broker), Arc::clone(&arrived));
        async move {
            let (sender, consumed) = oneshot::channel();
            arrived.lock().insert(nth, sender);
            let mut body = vec![b'x'; super::MESSAGE];
            body[..8].copy_from_slice(&nth.to_be_bytes());
            let published = broker.queue.publish_to(broker.queue.name(), &body);
            taken(published.await?).await?;
            let delivery = consumed.await?;
            broker.intent(nth).await?;
            delivery.acker.ack(BasicAckOptions::default()).await?;
            Ok(())
        }
    })
    .await
}

fn number(body: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(body.first_chunk().copied()?))
}

/// A queue, a stream of intents, and who waits for which intent.
struct Broker {
    queue: Queue,
    consuming: Channel,
    _connection: Connection,
    intents: String,
    awaited: Arc<Mutex<HashMap<u64, oneshot::Sender<()>>>>,
}

impl Broker {
    async fn connect(url: &str) -> anyhow::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let consuming = connection.create_channel().await?;
        let broker = Self {
            queue: Queue::declare(url).await?,
            consuming,
            _connection: connection,
            intents: format!("bench.intents.{}", std::process::id()),
            awaited: Arc::default(),
        };
        broker.queue.declare_as("stream", &broker.intents).await?;
        let mut first = FieldTable::default();
        let from = AMQPValue::LongString("first".into());
        first.insert("x-stream-offset".into(), from);
        let mut intents = broker.consume(&broker.intents, first).await?;
        let awaited = Arc::clone(&broker.awaited);
        tokio::spawn(async move {
            while let Some(Ok(entry)) = intents.next().await {
                let waiting = number(&entry.data).and_then(|number| awaited.lock().remove(&number));
                if let Some(waiting) = waiting {
                    // An error means that the round is over.
                    let _ = waiting.send(());
                }
                if entry.acker.ack(BasicAckOptions::default()).await.is_err() {
                    break;
                }
            }
        });
        Ok(broker)
    }

    async fn consume(&self, queue: &str, arguments: FieldTable) -> anyhow::Result<Consumer> {
        self.consuming
            .basic_qos(PREFETCH, BasicQosOptions::default())
            .await?;
        let options = BasicConsumeOptions::default();
        let consumer = self
            .consuming
            .basic_consume(queue.into(), "".into(), options, arguments);
        Ok(consumer.await?)
    }

    /// Returns once the intent is read back.
    async fn intent(&self, number: u64) -> anyhow::Result<()> {
        let (sender, read) = oneshot::channel();
        self.awaited.lock().insert(number, sender);
        let mut body = [0; 48];
        body[..8].copy_from_slice(&number.to_be_bytes());
        taken(self.queue.publish_to(&self.intents, &body).await?).await?;
        read.await.context("the stream ended")
    }
}
