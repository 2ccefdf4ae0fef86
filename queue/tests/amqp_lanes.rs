//! The lanes while RabbitMQ fails, and how they are stored on the broker.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, unused_macros, reason = "for the suite; here its helpers only")]
mod conformance;

#[allow(dead_code, reason = "for the other faults as well")]
mod broken;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use broken::{Broken, SOON};
use conformance::{ack, message, next, outcome, redirected};
use lapin::options::QueueDeleteOptions;
use queue::amqp::{AmqpQueue, message_queues};
use queue::{Lane, Message, Options, Publish, Queue, QueueError};
use rabbitmq::Node;

fn options(prefix: &str) -> Options {
    Options {
        prefix: prefix.to_owned(),
        publish_timeout: SOON,
        answer_timeout: Some(SOON),
        later: Duration::from_secs(5),
        ..Options::default()
    }
}

async fn open(node: &Node, options: Options) -> Result<Arc<AmqpQueue>, QueueError> {
    let url = node.url().parse().unwrap();
    AmqpQueue::open(&[url], options).await.map(Arc::new)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_and_what_is_for_later_outlive_a_broker_that_is_killed() {
    let broken = Broken::node().await;
    let queue = open(broken.node, options("outlives")).await.unwrap();
    let mut expected = BTreeSet::new();
    for content in (0..50).map(redirected).chain((50..60).map(outcome)) {
        expected.insert(content.call_sid().unwrap());
        queue.publish(&Message::from(content)).await.unwrap();
    }
    broken.does(Node::remember_queues).await;
    broken.does(Node::kill).await;
    broken.does(Node::restart).await;
    let mut outcomes = queue.consume(Lane::Outcomes, 10).await.unwrap();
    while !expected.is_empty() {
        let delivery = next(&mut outcomes).await;
        expected.remove(&delivery.message.content().unwrap().call_sid().unwrap());
        ack(delivery).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_lane_is_a_quorum_queue_that_loses_nothing() {
    let broken = Broken::node().await;
    open(broken.node, options("shape")).await.unwrap();
    let queues = broken.says(&["-q", "list_queues", "name", "type", "arguments"]);
    let queues = queues.await;
    let lacks = |queue: &str, parts: &[&str]| {
        let mut lines = queues.lines();
        let line = lines.find(|line| line.split('\t').next() == Some(queue));
        let line = line.unwrap_or_else(|| panic!("no {queue} in {queues}"));
        let lacking = parts.iter().find(|part| !line.contains(**part));
        lacking.map(|part| format!("{part} is not in: {line}"))
    };
    let common = ["quorum", "reject-publish"];
    for queue in message_queues("shape") {
        assert_eq!(lacks(&queue, &common), None);
    }
    let to_dead = [
        "{\"x-dead-letter-exchange\",\"shape.dead\"}",
        "at-least-once",
    ];
    for queue in ["shape.redirect", "shape.outcome", "shape.notify"] {
        assert_eq!(lacks(queue, &to_dead), None);
    }
    let one_at_a_time = ["{\"x-single-active-consumer\",true}"];
    assert_eq!(lacks("shape.outcome", &one_at_a_time), None);
    let moves_on = [
        "{\"x-message-ttl\",5000}",
        "{\"x-dead-letter-exchange\",\"shape\"}",
        "{\"x-dead-letter-routing-key\",\"shape.outcome\"}",
        "at-least-once",
    ];
    assert_eq!(lacks("shape.later", &moves_on), None);
    let history = ["stream", "{\"x-max-age\",\"86400s\"}"];
    assert_eq!(lacks("shape.history", &history), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_is_missing_is_named_and_made_where_that_is_allowed() {
    let broken = Broken::node().await;
    let queue = open(broken.node, options("missing")).await.unwrap();
    let existing = || Options {
        existing_only: true,
        ..options("missing")
    };
    open(broken.node, existing()).await.unwrap();
    let url = broken.node.url();
    let operator = lapin::Connection::connect(&url, lapin::ConnectionProperties::default());
    let channel = operator.await.unwrap().create_channel().await.unwrap();
    for lane in ["outcome", "later", "notify"] {
        let name = format!("missing.{lane}");
        let deleted = channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default());
        deleted.await.unwrap();
        let refused = open(broken.node, existing()).await.err().expect("refused");
        assert!(matches!(refused, QueueError::Missing(_)), "{refused:?}");
        assert!(refused.to_string().contains(&name), "{refused}");
        // Whoever publishes finds it missing, and has it made.
        let message = match lane {
            "outcome" => outcome(1).into(),
            "later" => redirected(1).into(),
            _ => match outcome(1) {
                queue::Content::Outcome(outcome) => queue::Content::Notify(outcome).into(),
                _ => message(1),
            },
        };
        let again = async { while queue.publish(&message).await.is_err() {} };
        tokio::time::timeout(SOON, again).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_when_all_that_is_ours_is_removed() {
    let broken = Broken::node().await;
    let queue = open(broken.node, options("removed")).await.unwrap();
    Arc::into_inner(queue).unwrap().remove().await.unwrap();
    let left = [
        broken.says(&["-q", "list_queues", "name"]).await,
        broken.says(&["-q", "list_exchanges", "name"]).await,
    ];
    assert!(!left.concat().contains("removed"), "{left:?}");
}
