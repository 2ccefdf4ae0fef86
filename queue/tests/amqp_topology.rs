//! What is on the broker isn't as we left it: deleted, different, forbidden.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, unused_macros, reason = "for the suite; here its helpers only")]
mod conformance;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conformance::{PATIENCE, answered, message, next, number};
use lapin::options::{QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use queue::amqp::AmqpQueue;
use queue::{
    Cause, DeadLetters, Filter, Health, Lane, Options, Publish, Queue, QueueError, Reason,
};
use rabbitmq::Node;

async fn node() -> &'static Node {
    tokio::task::spawn_blocking(Node::shared).await.unwrap()
}

fn options(prefix: &str) -> Options {
    Options {
        prefix: prefix.to_owned(),
        publish_timeout: PATIENCE,
        answer_timeout: Some(PATIENCE),
        ..Options::default()
    }
}

async fn try_open(url: &str, options: Options) -> Result<Arc<AmqpQueue>, QueueError> {
    let url = url.parse().unwrap();
    AmqpQueue::open(&[url], options).await.map(Arc::new)
}

async fn open(prefix: &str) -> Arc<AmqpQueue> {
    try_open(&node().await.url(), options(prefix))
        .await
        .unwrap()
}

/// Somebody else's connection to the broker.
async fn operator() -> (lapin::Connection, lapin::Channel) {
    let connection =
        lapin::Connection::connect(&node().await.url(), lapin::ConnectionProperties::default())
            .await
            .unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "never {what}");
}

fn queue_type(name: &str) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString(name.into()));
    arguments
}

/// What came of publishes that went on while somebody deleted things on the broker.
#[derive(Default)]
struct Load {
    next: AtomicU32,
    stop: AtomicBool,
    /// Counts what the operator has done; noted with each publish when it begins.
    era: AtomicUsize,
    confirmed: Mutex<BTreeMap<u32, usize>>,
    unroutable: AtomicUsize,
}

impl Load {
    /// Publishes with many in flight while `breaking` goes on.
    async fn around(queue: &Arc<AmqpQueue>, breaking: impl AsyncFnOnce(Arc<Self>)) -> Arc<Self> {
        let load = Arc::new(Self::default());
        let publishers: Vec<_> = (0..200)
            .map(|_| tokio::spawn(load.clone().publish(queue.clone())))
            .collect();
        load.goes_on(500).await;
        breaking(load.clone()).await;
        load.goes_on(500).await;
        load.stop.store(true, Ordering::Relaxed);
        for publisher in publishers {
            publisher.await.unwrap();
        }
        load
    }

    async fn publish(self: Arc<Self>, queue: Arc<AmqpQueue>) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let era = self.era.load(Ordering::SeqCst);
            match queue.publish(&message(number)).await {
                Ok(()) => drop(self.confirmed.lock().unwrap().insert(number, era)),
                Err(QueueError::Unroutable(_)) => {
                    self.unroutable.fetch_add(1, Ordering::Relaxed);
                }
                // A channel that publishes to a queue while that is deleted may take the whole
                // connection down.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn confirmed(&self) -> usize {
        self.confirmed.lock().unwrap().len()
    }

    async fn goes_on(&self, count: usize) {
        let before = self.confirmed();
        until("publishing again", || self.confirmed() > before + count).await;
    }

    /// Breaks something until a publish was returned for it. Once may not be enough: it may be
    /// declared again at that very moment.
    async fn sees_unroutable(&self, breaks: impl AsyncFn()) {
        let before = self.unroutable.load(Ordering::Relaxed);
        let seen = tokio::time::timeout(PATIENCE, async {
            while self.unroutable.load(Ordering::Relaxed) == before {
                breaks().await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(seen.await.is_ok(), "never unroutable");
    }
}

/// Takes what is in the queue, and fails unless it is these.
async fn assert_there(queue: &Arc<AmqpQueue>, mut confirmed: BTreeSet<u32>) {
    let mut consumer = queue.consume(Lane::Redirects, 500).await.unwrap();
    while !confirmed.is_empty() {
        let Ok(delivery) = tokio::time::timeout(PATIENCE, consumer.next()).await else {
            panic!("{} are lost: {confirmed:?}", confirmed.len());
        };
        let delivery = delivery.unwrap();
        confirmed.remove(&number(&delivery));
        delivery.ack().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_confirmed_is_in_the_queue_even_while_its_binding_comes_and_goes() {
    let queue = open("unbound").await;
    let (_connection, channel) = operator().await;
    let load = Load::around(&queue, async |load| {
        for _ in 0..30 {
            load.sees_unroutable(async || {
                let unbound = channel.queue_unbind(
                    "unbound.redirect".into(),
                    "unbound".into(),
                    "unbound.redirect".into(),
                    FieldTable::default(),
                );
                unbound.await.unwrap();
            })
            .await;
            // Bound again without anybody's help.
            load.goes_on(100).await;
        }
    })
    .await;
    assert!(load.unroutable.load(Ordering::Relaxed) > 100);

    let confirmed = load.confirmed.lock().unwrap().keys().copied().collect();
    assert_there(&queue, confirmed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_deleted_under_load_comes_back_and_nothing_is_confirmed_without_one() {
    let queue = open("deleted").await;
    let (_connection, channel) = operator().await;
    let load = Load::around(&queue, async |load| {
        channel
            .queue_delete("deleted.redirect".into(), QueueDeleteOptions::default())
            .await
            .unwrap();
        load.era.store(1, Ordering::SeqCst);
    })
    .await;

    // A publish that began after the old queue was gone can only be in the new one.
    let confirmed = load.confirmed.lock().unwrap().clone();
    let since = confirmed.into_iter().filter(|(_, era)| *era == 1);
    assert_there(&queue, since.map(|(number, _)| number).collect()).await;
}

#[tokio::test]
async fn a_consumer_survives_the_deletion_of_its_queue() {
    let queue = open("gone").await;
    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    queue.publish(&message(1)).await.unwrap();
    next(&mut consumer).await.ack().await.unwrap();
    let (_connection, channel) = operator().await;
    channel
        .queue_delete("gone.redirect".into(), QueueDeleteOptions::default())
        .await
        .unwrap();

    let waiting = tokio::spawn(async move { number(&next(&mut consumer).await) });
    let published = async {
        while queue.publish(&message(2)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, published).await.unwrap();
    assert_eq!(waiting.await.unwrap(), 2);
}

#[tokio::test]
async fn a_consumer_that_the_broker_forgets_notices() {
    let queue = open("forgotten").await;
    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    queue.publish(&message(1)).await.unwrap();
    next(&mut consumer).await.ack().await.unwrap();
    let (_connection, channel) = operator().await;
    let name = || "forgotten.redirect".into();
    channel
        .queue_delete(name(), QueueDeleteOptions::default())
        .await
        .unwrap();
    // Before the broker has told the consumer: it then lists it at the new queue, and never sends
    // it anything.
    let again = open("forgotten").await;
    again.publish(&message(2)).await.unwrap();
    assert_eq!(number(&next(&mut consumer).await), 2);
}

#[tokio::test]
async fn a_delivery_that_can_not_be_kept_as_a_dead_letter_comes_again() {
    let patient = Options {
        delivery_limit: 1_000_000,
        ..options("no-dead")
    };
    let queue = try_open(&node().await.url(), patient).await.unwrap();
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    queue.publish(&message(1)).await.unwrap();
    let delivery = next(&mut consumer).await;
    let (_connection, channel) = operator().await;
    channel
        .queue_delete("no-dead.dead".into(), QueueDeleteOptions::default())
        .await
        .unwrap();

    let cause = Cause {
        reason: Reason::Refused,
        attempts: 1,
        last_error: None,
    };
    let error = delivery.dead_letter(&cause).await.unwrap_err();
    assert!(matches!(error, QueueError::Unroutable(_)));
    // The queue of dead letters is declared again meanwhile.
    let buried = async { while next(&mut consumer).await.dead_letter(&cause).await.is_err() {} };
    tokio::time::timeout(PATIENCE, buried).await.unwrap();
    let letters = answered(async || queue.list(&Filter::default()).await).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].cause, cause);
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_refused_with_its_name_and_the_argument() {
    let url = node().await.url();
    open("other").await.close().await;
    let differs = Options {
        delivery_limit: 3,
        ..options("other")
    };
    let error = try_open(&url, differs).await.err().unwrap();
    assert!(matches!(error, QueueError::Mismatch(_)), "{error:?}");
    let said = error.to_string();
    for part in [
        "\"other.redirect\"",
        "x-delivery-limit",
        "'3'",
        "'10'",
        "delete",
    ] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[tokio::test]
async fn a_difference_found_on_the_way_is_reported_and_noticed_when_it_is_mended() {
    let queue = open("mended").await;
    let (_connection, channel) = operator().await;
    let name = || "mended.redirect".into();
    channel
        .queue_delete(name(), QueueDeleteOptions::default())
        .await
        .unwrap();
    channel
        .queue_declare(
            name(),
            QueueDeclareOptions::durable(),
            queue_type("classic"),
        )
        .await
        .unwrap();
    // Not bound, so that this is unroutable and makes us look.
    assert!(queue.publish(&message(1)).await.is_err());
    until(
        "broken",
        || matches!(queue.health(), Health::Broken(why) if why.contains("mended.redirect")),
    )
    .await;

    channel
        .queue_delete(name(), QueueDeleteOptions::default())
        .await
        .unwrap();
    until("up", || queue.health() == Health::Up).await;
    queue.publish(&message(2)).await.unwrap();
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    assert_eq!(number(&next(&mut consumer).await), 2);
}

#[tokio::test]
async fn credentials_are_refused_without_being_repeated() {
    let broker = node().await.address();
    for (url, says) in [
        (
            format!("amqp://guest:s3cret@{broker}/%2f"),
            "user name or password",
        ),
        (
            format!("amqp://guest:guest@{broker}/nowhere"),
            "virtual host",
        ),
    ] {
        let error = try_open(&url, options("denied")).await.err().unwrap();
        assert!(matches!(error, QueueError::AccessRefused(_)), "{error:?}");
        let said = error.to_string();
        assert!(said.contains(says), "{said}");
        assert!(
            !said.contains("s3cret") && !said.contains("guest:"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_user_who_may_not_declare_is_told_which_permission_is_missing() {
    let node = node().await;
    tokio::task::spawn_blocking(|| {
        node.ctl(&["add_user", "weak", "weak"]);
        node.ctl(&["set_permissions", "weak", "^$", ".*", ".*"]);
    })
    .await
    .unwrap();
    let url = format!("amqp://weak:weak@{}/%2f", node.address());
    let error = try_open(&url, options("weak")).await.err().unwrap();
    assert!(matches!(error, QueueError::AccessRefused(_)), "{error:?}");
    assert!(error.to_string().contains("configure"), "{error}");
}

#[tokio::test]
async fn a_port_without_tls_is_no_broker_for_amqps() {
    let broker = node().await.address();
    let url = format!("amqps://guest:guest@{broker}/%2f");
    let options = Options {
        // Waiting for it mends nothing.
        answer_timeout: Some(Duration::from_secs(1)),
        ..options("tls")
    };
    let queue = try_open(&url, options).await.unwrap();
    assert!(matches!(queue.health(), Health::Down(_)));
}

#[tokio::test]
async fn a_url_without_virtual_host_means_the_default_one() {
    let broker = node().await.address();
    for end in ["", "/", "/%2f", "/?heartbeat=10"] {
        let url = format!("amqp://guest:guest@{broker}{end}");
        let queue = try_open(&url, options("vhost")).await.unwrap();
        assert_eq!(queue.health(), Health::Up, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_held_on_a_connection_that_an_operator_closes_is_lost_and_comes_again() {
    let queue = open("closed").await;
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    queue.publish(&message(1)).await.unwrap();
    let held = next(&mut consumer).await;
    let lock = queue.try_lock("sweep").await.unwrap().unwrap();
    assert!(!held.is_lost() && !lock.is_lost());

    // Ours only; other tests share the node.
    let me = format!("[{}] everything else", std::process::id());
    let node = node().await;
    tokio::task::spawn_blocking(move || {
        let ours = node.ctl(&["-q", "list_consumers", "queue_name", "channel_pid"]);
        let pid = ours
            .lines()
            .find(|line| line.starts_with("closed.redirect"))
            .and_then(|line| line.split('\t').nth(1))
            .unwrap()
            .to_owned();
        let listed = node.ctl(&["-q", "list_channels", "pid", "connection"]);
        let connection = listed
            .lines()
            .find(|line| line.starts_with(&pid))
            .and_then(|line| line.split('\t').nth(1))
            .unwrap();
        let names = node.ctl(&["-q", "list_connections", "pid", "client_properties"]);
        assert!(names.contains(&me), "{names}");
        node.ctl(&["-q", "close_connection", connection, "for a test"]);
    })
    .await
    .unwrap();

    until("the delivery is lost", || held.is_lost()).await;
    until("the lock is lost", || lock.is_lost()).await;
    // Its holder may still be working: nobody in this process gets the lock before it is dropped.
    assert!(!matches!(queue.try_lock("sweep").await, Ok(Some(_))));
    drop(lock);
    let taken = async {
        while !matches!(queue.try_lock("sweep").await, Ok(Some(_))) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.unwrap();

    let again = next(&mut consumer).await;
    assert!(again.redelivered);
    assert_eq!((number(&again), again.delivery_count), (1, 1));
    assert!(matches!(held.ack().await, Err(QueueError::DeliveryLost(_))));
    again.ack().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_one_process_at_a_time() {
    let (queue, elsewhere) = (open("busy").await, open("busy").await);
    let visiting = elsewhere.try_lock("dead-letters").await.unwrap().unwrap();
    for outcome in [
        queue.list(&Filter::default()).await.err(),
        queue.discard(&Filter::default()).await.err(),
    ] {
        assert!(matches!(outcome, Some(QueueError::Busy(_))), "{outcome:?}");
    }
    drop(visiting);
    let free = async { while queue.list(&Filter::default()).await.is_err() {} };
    tokio::time::timeout(PATIENCE, free).await.unwrap();
}

#[tokio::test]
async fn a_delivery_can_be_dropped_outside_the_runtime() {
    let queue = open("outside").await;
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    queue.publish(&message(1)).await.unwrap();
    let delivery = next(&mut consumer).await;
    std::thread::spawn(move || drop(delivery)).join().unwrap();
    let again = next(&mut consumer).await;
    assert!(again.redelivered);
    again.ack().await.unwrap();
}

/// The broker's own way to the dead letters is bound like ours.
#[tokio::test]
async fn a_message_from_elsewhere_with_another_routing_key_becomes_a_dead_letter_too() {
    let queue = open("foreign").await;
    let (_connection, channel) = operator().await;
    channel
        .queue_bind(
            "foreign.redirect".into(),
            "amq.topic".into(),
            "some.key".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    channel
        .basic_publish(
            "amq.topic".into(),
            "some.key".into(),
            lapin::options::BasicPublishOptions::default(),
            b"?",
            lapin::BasicProperties::default(),
        )
        .await
        .unwrap();
    // It ends one consumer after the other, until the broker makes a dead letter of it. From 4.3 on, to
    // give it back wouldn't count.
    let limit = Options::default().delivery_limit;
    for _ in 0..=limit {
        let consuming = open("foreign").await;
        let mut consumer = consuming.consume(Lane::Redirects, 1).await.unwrap();
        let _taken = next(&mut consumer).await;
        consuming.close().await;
    }
    let letters = async {
        loop {
            let letters = answered(async || queue.list(&Filter::default()).await).await;
            if !letters.is_empty() {
                break letters;
            }
        }
    };
    let letters = tokio::time::timeout(PATIENCE, letters).await.unwrap();
    assert_eq!(letters[0].cause.reason, Reason::DeliveryLimit);
    assert_eq!(letters[0].cause.attempts, 0);
    assert!(letters[0].id.0.starts_with("sha256-"));
    assert!(letters[0].request().is_none());
}
