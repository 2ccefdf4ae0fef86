//! Three RabbitMQ nodes, of which one is killed in the middle of the work.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, unused_macros, reason = "for the suite; here its helpers only")]
mod conformance;

use std::collections::BTreeSet;
use std::sync::Arc;

use conformance::{PATIENCE, message, next, number};
use queue::amqp::AmqpQueue;
use queue::{Lane, Options, Publish, Queue};
use rabbitmq::{Cluster, Node};

async fn open(node: &Node) -> Arc<AmqpQueue> {
    let url = node.url().parse().unwrap();
    let options = Options {
        publish_timeout: PATIENCE,
        ..Options::default()
    };
    Arc::new(AmqpQueue::open(&[url], options).await.unwrap())
}

/// Publishes until the queue has confirmed it: while a new leader is chosen, it may refuse.
async fn publish(queue: &AmqpQueue, numbers: std::ops::Range<u32>) {
    for number in numbers {
        while queue.publish(&message(number)).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishes_go_on_and_nothing_confirmed_is_lost_when_the_leaders_node_is_killed() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let [first, second, third] = cluster.nodes() else {
        panic!("three nodes");
    };
    // The node that declares a queue leads it.
    let through_first = open(first).await;
    let through_second = open(second).await;
    let publishing = tokio::spawn(async move {
        publish(&through_second, 0..1_000).await;
        through_second
    });
    publish(&through_first, 1_000..1_200).await;
    tokio::task::block_in_place(|| first.kill());
    assert!(!publishing.is_finished(), "it was killed too late");
    let through_second = publishing.await.unwrap();
    publish(&through_second, 1_200..1_400).await;

    let through_third = open(third).await;
    let mut consumer = through_third.consume(Lane::Redirects, 50).await.unwrap();
    let mut missing: BTreeSet<u32> = (0..1_400).collect();
    while !missing.is_empty() {
        let delivery = next(&mut consumer).await;
        missing.remove(&number(&delivery));
        delivery.ack().await.unwrap();
    }
}
