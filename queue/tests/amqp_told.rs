//! Telling those who listen on RabbitMQ, whatever they and the broker do.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, unused_macros, reason = "for the suite; here its helpers only")]
mod conformance;

#[allow(dead_code, reason = "for the other faults as well")]
mod broken;

use std::sync::Arc;
use std::time::Duration;

use broken::{Broken, SOON};
use conformance::told::{history, reads, story, tell};
use conformance::{PATIENCE, message};
use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use queue::amqp::AmqpQueue;
use queue::{Content, History, Options, Queue};
use rabbitmq::{Cluster, Node};

async fn channel(node: &Node) -> (lapin::Connection, lapin::Channel) {
    let (url, properties) = (node.url(), lapin::ConnectionProperties::default());
    let connection = lapin::Connection::connect(&url, properties);
    let connection = connection.await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// A user's own queue, bound to all that is told.
async fn listens(
    channel: &lapin::Channel,
    name: &'static str,
    exchange: &'static str,
    arguments: &[(&'static str, AMQPValue)],
) {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    let durable = QueueDeclareOptions::durable();
    let declared = channel.queue_declare(name.into(), durable, table);
    declared.await.unwrap();
    let bound = channel.queue_bind(
        name.into(),
        exchange.into(),
        "#".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// Tells of these, a few at a time, while requests are published; all of it is read.
async fn goes_on(
    queue: &Arc<dyn Queue>,
    history: &mut Box<dyn History>,
    numbers: std::ops::Range<u32>,
) {
    for first in numbers.step_by(500) {
        tell(queue, first..first + 500).await;
        let request = message(first);
        let published = tokio::time::timeout(SOON, queue.publish(&request));
        published.await.unwrap().unwrap();
        reads(history, first..first + 500).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_queues_that_are_full_or_slow_stop_nobody() {
    let broken = Broken::node().await;
    let queue: Arc<dyn Queue> = broken.open("users", SOON).await;
    let (_connection, channel) = channel(broken.node).await;
    let full = |kind| {
        [
            ("x-queue-type", text(kind)),
            ("x-max-length", 1.into()),
            ("x-overflow", text("reject-publish")),
        ]
    };
    listens(&channel, "full", "users.outcomes", &full("classic")).await;
    listens(&channel, "full-quorum", "users.outcomes", &full("quorum")).await;
    for (name, kind) in [("slow", "classic"), ("slow-quorum", "quorum")] {
        let arguments = [("x-queue-type", text(kind))];
        listens(&channel, name, "users.outcomes", &arguments).await;
        let qos = channel.basic_qos(1, BasicQosOptions::default());
        qos.await.unwrap();
        let consuming = channel.basic_consume(
            name.into(),
            ShortString::default(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        consuming.await.unwrap();
    }
    let mut history = history(&queue).await;
    goes_on(&queue, &mut history, 0..5_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_queues_whose_node_is_gone_stop_nobody() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let [first, _, third] = cluster.nodes() else {
        panic!("three nodes");
    };
    let url = first.url().parse().unwrap();
    let options = Options {
        publish_timeout: PATIENCE,
        ..Options::default()
    };
    let queue: Arc<dyn Queue> = Arc::new(AmqpQueue::open(&[url], options).await.unwrap());
    {
        let (connection, channel) = channel(third).await;
        let alone = [
            ("x-queue-type", text("quorum")),
            ("x-quorum-initial-group-size", 1.into()),
        ];
        listens(&channel, "lost", "overflow.outcomes", &[]).await;
        listens(&channel, "lost-quorum", "overflow.outcomes", &alone).await;
        connection.close(200, "OK".into()).await.unwrap();
    }
    let mut history = history(&queue).await;
    goes_on(&queue, &mut history, 0..500).await;
    tokio::task::block_in_place(|| third.kill());
    goes_on(&queue, &mut history, 500..10_000).await;
}
