//! The conformance suite on a real RabbitMQ node.
#![allow(clippy::unwrap_used, reason = "tests")]

#[macro_use]
mod conformance;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use queue::amqp::AmqpQueue;
use queue::{Options, Queue, RawMessage};
use rabbitmq::Node;

/// One prefix on the node that all stories share.
struct Broker {
    prefix: String,
}

impl conformance::Harness for Broker {
    /// Up to RabbitMQ 4.2.
    fn releases_count() -> bool {
        let version = Node::shared().ctl(&["version"]);
        let mut numbers = version.trim().split('.').map(|part| part.parse::<u32>());
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
            panic!("RabbitMQ has no such version: {version}");
        };
        (major, minor) < (4, 3)
    }

    async fn fresh() -> Self {
        static STORIES: AtomicU32 = AtomicU32::new(0);
        let story = STORIES.fetch_add(1, Ordering::Relaxed);
        // Starting a node blocks for seconds, even if another story does it.
        tokio::task::spawn_blocking(Node::shared).await.unwrap();
        Self {
            prefix: format!("story{story}"),
        }
    }

    async fn open(&self, options: Options) -> Arc<dyn Queue> {
        let options = Options {
            prefix: self.prefix.clone(),
            ..options
        };
        let url = Node::shared().url().parse().unwrap();
        Arc::new(AmqpQueue::open(&[url], options).await.unwrap())
    }

    async fn put(&self, message: RawMessage) {
        let (_connection, channel) = operator().await;
        let mut properties = BasicProperties::default().with_delivery_mode(2);
        if let Some(id) = message.id {
            properties = properties.with_message_id(id.into());
        }
        if let Some(kind) = message.kind {
            properties = properties.with_type(kind.into());
        }
        if let Some(trace) = message.traceparent {
            let mut headers = FieldTable::default();
            headers.insert(
                "traceparent".into(),
                lapin::types::AMQPValue::LongString(trace.as_str().into()),
            );
            properties = properties.with_headers(headers);
        }
        let queue = format!("{}.redirect", self.prefix);
        publish(&channel, &queue, &message.body, properties).await;
    }

    async fn spoil_intents(&self) {
        let (_connection, channel) = operator().await;
        let stream = format!("{}.intents", self.prefix);
        publish(&channel, &stream, b"hello", BasicProperties::default()).await;
    }

    async fn lose_intents(&self) {
        let (_connection, channel) = operator().await;
        let stream = format!("{}.intents", self.prefix);
        channel
            .queue_delete(stream.into(), QueueDeleteOptions::default())
            .await
            .unwrap();
    }
}

/// Somebody else's connection to the broker.
async fn operator() -> (lapin::Connection, lapin::Channel) {
    let connection = lapin::Connection::connect(
        &Node::shared().url(),
        lapin::ConnectionProperties::default(),
    )
    .await
    .unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    (connection, channel)
}

async fn publish(channel: &lapin::Channel, queue: &str, body: &[u8], properties: BasicProperties) {
    let options = BasicPublishOptions::default();
    let confirm = channel
        .basic_publish("".into(), queue.into(), options, body, properties)
        .await
        .unwrap();
    assert!(confirm.await.unwrap().is_ack());
}

conformance_tests!(Broker);
