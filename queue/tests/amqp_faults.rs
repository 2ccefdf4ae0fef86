//! RabbitMQ fails in the middle of the work: killed, frozen, short of memory, away.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, unused_macros, reason = "for the suite; here its helpers only")]
mod conformance;

#[allow(dead_code, reason = "for the log of intents as well")]
mod broken;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use broken::{Broken, SOON, until};
use conformance::{message, next, number};
use queue::amqp::AmqpQueue;
use queue::{Health, Lane, Publish, Queue, QueueError};
use rabbitmq::Node;
use tokio::task::JoinHandle;

/// Publishers that go on whatever happens, and what the queue confirmed to them.
#[derive(Default)]
struct Load {
    next: AtomicU32,
    stop: AtomicBool,
    confirmed: Mutex<BTreeSet<u32>>,
}

impl Load {
    fn start(queue: &Arc<AmqpQueue>, publishers: usize) -> (Arc<Self>, Vec<JoinHandle<()>>) {
        let load = Arc::new(Self::default());
        let tasks = (0..publishers)
            .map(|_| tokio::spawn(load.clone().publish(queue.clone())))
            .collect();
        (load, tasks)
    }

    async fn publish(self: Arc<Self>, queue: Arc<AmqpQueue>) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            match queue.publish(&message(number)).await {
                Ok(()) => drop(self.confirmed.lock().unwrap().insert(number)),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn confirmed(&self) -> usize {
        self.confirmed.lock().unwrap().len()
    }

    async fn goes_on(&self) {
        let before = self.confirmed();
        until("publishing again", || self.confirmed() > before + 300).await;
    }
}

/// Takes and acknowledges whatever comes, and keeps the numbers.
fn consume(queue: Arc<AmqpQueue>) -> (Arc<Mutex<BTreeSet<u32>>>, JoinHandle<()>) {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let task = tokio::spawn({
        let seen = seen.clone();
        async move {
            let mut consumer = queue.consume(Lane::Redirects, 50).await.unwrap();
            loop {
                let delivery = consumer.next().await.unwrap();
                let number = number(&delivery);
                // If the delivery is lost, it comes again.
                if delivery.ack().await.is_ok() {
                    seen.lock().unwrap().insert(number);
                }
            }
        }
    });
    (seen, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_confirmed_is_lost_when_the_broker_is_killed_and_both_sides_come_back() {
    let broken = Broken::node().await;
    let ingest = broken.open("killed", SOON).await;
    let redirector = broken.open("killed", SOON).await;
    let (load, publishers) = Load::start(&ingest, 16);
    let (seen, consumer) = consume(redirector.clone());
    load.goes_on().await;
    // The broker itself loses it; there is nothing of ours to test.
    broken.does(Node::remember_queues).await;

    for _ in 0..2 {
        load.goes_on().await;
        broken.does(Node::kill).await;
        for queue in [&ingest, &redirector] {
            until("down", || matches!(queue.health(), Health::Down(_))).await;
        }
        let refused = tokio::time::timeout(SOON, ingest.publish(&message(1_000_000))).await;
        assert!(matches!(refused.unwrap(), Err(QueueError::Unavailable(_))));
        broken.does(Node::restart).await;
        load.goes_on().await;
    }
    load.stop.store(true, Ordering::Relaxed);
    for publisher in publishers {
        publisher.await.unwrap();
    }

    let confirmed = load.confirmed.lock().unwrap().clone();
    until("everything confirmed was delivered", || {
        seen.lock().unwrap().is_superset(&confirmed)
    })
    .await;
    for queue in [&ingest, &redirector] {
        until("up", || queue.health() == Health::Up).await;
    }
    consumer.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_broker_holds_nobody_up_for_longer_than_its_limit() {
    let broken = Broken::node().await;
    let queue = broken.open("frozen", Duration::from_millis(500)).await;
    let patient = broken.open("frozen", SOON).await;
    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    patient.publish(&message(0)).await.unwrap();
    let held = next(&mut consumer).await;
    broken.does(Node::freeze).await;

    // More than there are channels.
    let frozen = Instant::now();
    let publishes = (1..=400).map(|n| {
        let queue = queue.clone();
        tokio::spawn(async move { queue.publish(&message(n)).await })
    });
    for outcome in futures::future::join_all(publishes).await {
        let error = outcome.unwrap().unwrap_err();
        assert!(matches!(error, QueueError::TimedOut(_)), "{error}");
    }
    assert!(frozen.elapsed() < SOON);
    for _ in 0..2 {
        let asked = async {
            assert!(queue.stats().await.is_err());
            assert!(queue.try_lock("sweep").await.is_err());
            assert!(
                queue::DeadLetters::list(&*queue, &queue::Filter::default())
                    .await
                    .is_err()
            );
        };
        tokio::time::timeout(SOON, asked).await.unwrap();
        until("down", || matches!(queue.health(), Health::Down(_))).await;
    }
    until("the delivery is lost", || held.is_lost()).await;

    // Every attempt to connect ends without leaving a thread.
    tokio::time::sleep(Duration::from_secs(10)).await;
    until("few threads", || connection_threads() <= 4).await;

    broken.does(Node::resume).await;
    until("up", || queue.health() == Health::Up).await;
    let again = next(&mut consumer).await;
    assert_eq!(number(&again), 0);
    assert!(again.redelivered);
    assert!(held.ack().await.is_err());
    again.ack().await.unwrap();
    until("up", || patient.health() == Health::Up).await;
    patient.publish(&message(500)).await.unwrap();
    // Some of those that timed out may have been stored before or after; none that was confirmed
    // is missing.
    while number(&next(&mut consumer).await) != 500 {}
}

/// lapin's threads; each connection has one.
fn connection_threads() -> usize {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .filter(|task| {
            std::fs::read_to_string(task.path().join("comm"))
                .is_ok_and(|name| name.starts_with("lapin"))
        })
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_short_of_memory_refuses_messages_and_still_delivers() {
    let broken = Broken::node().await;
    let queue = broken.open("alarm", Duration::from_secs(1)).await;
    let patient = broken.open("alarm", SOON).await;
    for n in 0..50 {
        patient.publish(&message(n)).await.unwrap();
    }
    broken.does(Node::raise_memory_alarm).await;

    let mut confirmed: BTreeSet<u32> = (0..50).collect();
    let mut n = 50;
    let refused = loop {
        match queue.publish(&message(n)).await {
            Ok(()) => drop(confirmed.insert(n)),
            Err(QueueError::TimedOut(_)) => {}
            Err(error) => break error,
        }
        n += 1;
        assert!(n < 60, "the alarm has no effect");
    };
    assert!(matches!(refused, QueueError::Refused(_)), "{refused}");
    assert!(refused.to_string().contains("memory"), "{refused}");
    assert!(matches!(queue.health(), Health::Down(why) if why.contains("memory")));
    // At once, not after the timeout: the caller can write to its spool instead.
    let hundred = async {
        for _ in 0..100 {
            assert!(queue.publish(&message(99)).await.is_err());
        }
    };
    tokio::time::timeout(SOON, hundred).await.unwrap();

    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    let mut seen = BTreeSet::new();
    while !seen.is_superset(&confirmed) {
        let delivery = next(&mut consumer).await;
        seen.insert(number(&delivery));
        delivery.ack().await.unwrap();
    }
    assert!(queue.try_lock("sweep").await.unwrap().is_some());
    queue.stats().await.unwrap();

    broken.does(Node::clear_alarm).await;
    until("up", || queue.health() == Health::Up).await;
    let (load, publishers) = Load::start(&queue, 16);
    load.goes_on().await;
    load.stop.store(true, Ordering::Relaxed);
    futures::future::join_all(publishers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_at_the_start_is_waited_for() {
    let broken = Broken::node().await;
    broken.does(Node::kill).await;
    let queue = tokio::time::timeout(SOON, broken.open("away", SOON))
        .await
        .unwrap();
    assert!(matches!(queue.health(), Health::Down(_)));
    assert!(queue.publish(&message(1)).await.is_err());
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    let waiting = tokio::spawn(async move { number(&consumer.next().await.unwrap()) });

    broken.does(Node::restart).await;
    until("up", || queue.health() == Health::Up).await;
    queue.publish(&message(2)).await.unwrap();
    assert_eq!(waiting.await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_the_broker_closes_is_replaced_on_the_living_connection() {
    let broken = Broken::node().await;
    broken
        .close_channels_after(Duration::from_millis(500))
        .await;
    let queue = broken.open("channel", SOON).await;
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    queue.publish(&message(1)).await.unwrap();
    let kept = next(&mut consumer).await;
    until("the channel is closed", || kept.is_lost()).await;
    broken.close_channels_after(Duration::from_secs(1800)).await;

    assert!(kept.ack().await.is_err());
    // The channel in its place may have been opened before the limit was lifted.
    loop {
        let again = next(&mut consumer).await;
        assert!(again.redelivered);
        if again.ack().await.is_ok() {
            break;
        }
    }
    assert_eq!(queue.health(), Health::Up);
}
