//! Watching processes on RabbitMQ, whatever the broker does.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, unused_macros, reason = "for the suite; here its helpers only")]
mod conformance;

use std::sync::Arc;
use std::time::Duration;

use conformance::{PATIENCE, ack, answered, next, options, publish};
use queue::amqp::AmqpQueue;
use queue::{Lane, Options, Queue, Watch};
use rabbitmq::Node;

async fn open(node: &Node, prefix: &str) -> Arc<dyn Queue> {
    let options = Options {
        prefix: prefix.to_owned(),
        ..options()
    };
    let url = node.url().parse().unwrap();
    Arc::new(AmqpQueue::open(&[url], options).await.unwrap())
}

async fn hears_two(watch: &mut Box<dyn Watch>) {
    for _ in 0..2 {
        let said = tokio::time::timeout(PATIENCE, watch.next()).await;
        assert_eq!(said.expect("a report").unwrap(), b"here");
    }
}

/// Waits until no listener has a queue on the broker.
async fn nobody_listens(node: &Node) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while node.ctl(&["list_queues", "name"]).contains("listener") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(
        waited.await.is_ok(),
        "{}",
        node.ctl(&["list_queues", "name"])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_restarts_or_takes_no_messages_ends_no_watching_and_holds_up_no_delivery() {
    let node = tokio::task::spawn_blocking(Node::start).await.unwrap();
    let (process, watcher) = (open(&node, "watched").await, open(&node, "watched").await);
    process.report(Arc::new(|| b"here".into()));
    let mut watch = watcher.watch().await.unwrap();
    hears_two(&mut watch).await;

    tokio::task::block_in_place(|| node.restart());
    hears_two(&mut watch).await;

    publish(&process, 0..10).await;
    tokio::task::block_in_place(|| node.raise_memory_alarm());
    // What is said now blocks the connection over which it is said, and no other one.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut consumer = process.consume(Lane::Redirects, 1).await.unwrap();
    for _ in 0..10 {
        ack(next(&mut consumer).await).await;
    }
    answered(async || watcher.stats().await).await;
    tokio::task::block_in_place(|| node.clear_alarm());
    hears_two(&mut watch).await;

    drop(watch);
    process.close().await;
    nobody_listens(&node).await;
}
