//! Telling those who listen on RabbitMQ, whatever they and the broker do.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, unused_macros, reason = "for the suite; here its helpers only")]
mod conformance;

#[allow(dead_code, reason = "for the other faults as well")]
mod broken;

use std::sync::Arc;
use std::time::Duration;

use broken::{Broken, SOON, until};
use conformance::told::{history, reads, story, tell};
use conformance::{PATIENCE, message};
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use queue::amqp::AmqpQueue;
use queue::{Content, Health, History, Options, Outcome, Queue};
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

/// Takes what is in a user's queue until this outcome comes.
async fn comes(channel: &lapin::Channel, name: &'static str, number: u32) -> BasicGetMessage {
    let comes = async {
        loop {
            let got = channel.basic_get(name.into(), BasicGetOptions { no_ack: true });
            let Some(got) = got.await.unwrap() else {
                continue;
            };
            let told: Option<Outcome> = serde_json::from_slice(&got.delivery.data).ok();
            if told.map(Content::Outcome) == Some(story(number)) {
                break got;
            }
        }
    };
    tokio::time::timeout(PATIENCE, comes).await.unwrap()
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
    goes_on(&queue, &mut history, 500..6_000).await;
}

/// Ends the connection over which somebody reads the stream.
fn cut_off(node: &Node, stream: &str) {
    let find = |what: &[&str], name: &str| {
        let listed = node.ctl(what);
        let mut lines = listed.lines().filter_map(|line| line.split_once('\t'));
        lines
            .find(|(first, _)| *first == name)
            .map(|(_, second)| second.to_owned())
    };
    let channel = find(
        &["-q", "list_consumers", "queue_name", "channel_pid"],
        stream,
    );
    // It may just be subscribing again.
    if let Some(channel) = channel
        && let Some(connection) = find(&["-q", "list_channels", "pid", "connection"], &channel)
    {
        node.ctl(&["-q", "close_connection", &connection, "for a test"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_goes_on_where_it_was_when_its_connection_is_lost() {
    let broken = Broken::node().await;
    let telling: Arc<dyn Queue> = broken.open("resumed", SOON).await;
    let reading: Arc<dyn Queue> = broken.open("resumed", SOON).await;
    let mut history = history(&reading).await;
    tell(&telling, 0..100).await;
    reads(&mut history, 0..100).await;
    for round in 1..6 {
        let from = round * 100;
        tell(&telling, from..from + 50).await;
        broken.does(|node| cut_off(node, "resumed.history")).await;
        tell(&telling, from + 50..from + 100).await;
        reads(&mut history, from..from + 100).await;
    }
}

/// Tells of ever more until one of them is read, and returns which.
async fn tells_until_read(
    telling: &Arc<dyn Queue>,
    history: &mut Box<dyn History>,
    mut number: u32,
) -> u32 {
    let read = async {
        loop {
            tell(telling, [number]).await;
            let pause = tokio::time::sleep(Duration::from_millis(50));
            tokio::select! {
                read = history.next() => {
                    let read = read.unwrap();
                    // What was told before may come once more.
                    if let Some(number) = (1_000..=number).find(|number| story(*number) == read) {
                        return number;
                    }
                }
                () = pause => number += 1,
            }
        }
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("it is read again")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_that_is_deleted_is_made_again_and_read_on() {
    let broken = Broken::node().await;
    let queue: Arc<dyn Queue> = broken.open("anew", SOON).await;
    let mut history = history(&queue).await;
    tell(&queue, 0..100).await;
    reads(&mut history, 0..100).await;
    broken.says(&["-q", "delete_queue", "anew.history"]).await;
    tells_until_read(&queue, &mut history, 1_000).await;
}

/// RabbitMQ 3 tells nobody that a stream was deleted when it is declared again at once; and the new one
/// ends before the place where the reader was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_the_broker_forgets_notices_and_reads_on() {
    let broken = Broken::node().await;
    let queue: Arc<dyn Queue> = broken.open("forgotten", SOON).await;
    let mut history = history(&queue).await;
    tell(&queue, 0..500).await;
    reads(&mut history, 0..500).await;
    broken
        .says(&["-q", "delete_queue", "forgotten.history"])
        .await;
    let other: Arc<dyn Queue> = broken.open("forgotten", SOON).await;
    tells_until_read(&other, &mut history, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_that_is_deleted_is_made_again_and_told() {
    let broken = Broken::node().await;
    let queue: Arc<dyn Queue> = broken.open("exchange", SOON).await;
    let (_connection, channel) = channel(broken.node).await;
    listens(&channel, "before", "exchange.outcomes", &[]).await;
    // Whatever is told later than that is lost, or comes once the exchange is there again.
    tell(&queue, 0..4).await;
    comes(&channel, "before", 3).await;
    let deleted = channel.exchange_delete("exchange.outcomes".into(), Default::default());
    deleted.await.unwrap();
    tell(&queue, [5]).await;
    let bound = async {
        // Declared again soon; then it can be bound again.
        loop {
            let (connection, channel) = self::channel(broken.node).await;
            let bind = async {
                let durable = QueueDeclareOptions::durable();
                let declare = channel.queue_declare("bound".into(), durable, FieldTable::default());
                declare.await?;
                let bind = channel.queue_bind(
                    "bound".into(),
                    "exchange.outcomes".into(),
                    "default.no-answer".into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                );
                bind.await
            };
            if bind.await.is_ok() {
                break (connection, channel);
            }
            tell(&queue, [7]).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (_connection, channel) = tokio::time::timeout(PATIENCE, bound).await.unwrap();
    // Redirects are not for users' queues.
    tell(&queue, [8, 9]).await;
    let got = comes(&channel, "bound", 9).await;
    assert_eq!(got.delivery.routing_key.as_str(), "default.no-answer");
    let kind = got.delivery.properties.kind().as_ref().unwrap();
    assert_eq!(kind.as_str(), "outcome.v1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telling_waits_for_no_broker_and_what_waits_is_told_when_it_is_back() {
    let broken = Broken::node().await;
    let queue: Arc<dyn Queue> = broken.open("away", SOON).await;
    tell(&queue, 0..10).await;
    let mut history = history(&queue).await;
    reads(&mut history, 0..10).await;
    broken.does(Node::remember_queues).await;
    broken.does(Node::kill).await;
    until("down", || matches!(queue.health(), Health::Down(_))).await;
    // Far more than it keeps.
    let told = tell(&queue, 10..20_000);
    tokio::time::timeout(SOON, told).await.unwrap();
    broken.does(Node::restart).await;
    // The first may have been written to the connection that was just lost.
    let mut last = 9;
    let kept = async {
        while last < 4_000 {
            let read = history.next().await.unwrap();
            last = (last + 1..20_000)
                .find(|number| story(*number) == read)
                .unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, kept).await.unwrap();

    broken.does(Node::freeze).await;
    tell(&queue, 0..10).await;
    tokio::time::timeout(SOON, queue.close()).await.unwrap();
    broken.does(Node::resume).await;
}
