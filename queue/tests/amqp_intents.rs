//! The log of intents while RabbitMQ fails, and how it is stored on the broker.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, unused_macros, reason = "for the suite; here its helpers only")]
mod conformance;

#[allow(dead_code, reason = "for the other faults as well")]
mod broken;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use broken::{Broken, SOON, until};
use conformance::intents::{Recorder, append_at_last, intent};
use futures::future::join_all;
use queue::amqp::{AmqpQueue, message_queues};
use queue::{IntentLog, Logged, Queue};
use rabbitmq::Node;
use tokio::task::JoinHandle;

const LIMIT: Duration = Duration::from_secs(2);

/// A process that appends: its log, and its reader.
#[derive(Clone)]
struct Redirector {
    queue: Arc<AmqpQueue>,
    log: Arc<dyn IntentLog>,
    recorder: Arc<Recorder>,
}

impl Redirector {
    async fn start(broken: &Broken, prefix: &str) -> Self {
        Self::of(broken.open(prefix, LIMIT).await)
    }

    fn of(queue: Arc<AmqpQueue>) -> Self {
        let recorder = Arc::new(Recorder::default());
        let log = queue.intents(recorder.clone());
        Self {
            queue,
            log,
            recorder,
        }
    }
}

/// Appends that go on whatever happens, each with a number of its own.
#[derive(Default)]
struct Load {
    next: AtomicU64,
    stop: AtomicBool,
    appended: Mutex<BTreeSet<u128>>,
}

impl Load {
    fn start(redirectors: &[Redirector], writers: usize) -> (Arc<Self>, Vec<JoinHandle<()>>) {
        let load = Arc::new(Self::default());
        let tasks = redirectors
            .iter()
            .flat_map(|redirector| std::iter::repeat_n(redirector, writers))
            .map(|redirector| tokio::spawn(load.clone().append(redirector.clone())))
            .collect();
        (load, tasks)
    }

    async fn append(self: Arc<Self>, redirector: Redirector) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = u128::from(self.next.fetch_add(1, Ordering::Relaxed));
            let outcome = redirector.log.append(intent(number)).await;
            if outcome.is_ok() {
                assert!(redirector.recorder.knows(number));
                self.appended.lock().unwrap().insert(number);
            } else {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    async fn goes_on(&self, count: usize) {
        let count = self.appended.lock().unwrap().len() + count;
        let grown = || self.appended.lock().unwrap().len() > count;
        until("appending again", grown).await;
    }
}

/// What the reader was told between two gaps, as numbers.
fn stretches(told: &[Logged]) -> Vec<Vec<u128>> {
    told.split(|logged| *logged == Logged::Gap)
        .map(|stretch| {
            stretch
                .iter()
                .filter_map(|logged| match logged {
                    Logged::Intent(intent) => Some(intent.id),
                    Logged::Gap => None,
                })
                .collect()
        })
        .collect()
}

/// Every stretch is part of the whole log, in order and without a hole.
fn assert_is_part(stretch: &[u128], log: &[u128]) {
    if let Some(first) = stretch.first() {
        let start = log.iter().position(|number| number == first).unwrap();
        assert!(
            log[start..].starts_with(stretch),
            "another order, or a hole"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_readers_see_one_order_while_the_broker_is_killed_and_restarted() {
    let broken = Broken::node().await;
    let redirectors = join_all((0..3).map(|_| Redirector::start(&broken, "bounced"))).await;
    let (load, writers) = Load::start(&redirectors, 5);
    for _ in 0..3 {
        load.goes_on(100).await;
        broken
            .does(|node| drop(node.ctl(&["-q", "close_all_connections", "to see who comes back"])))
            .await;
        load.goes_on(100).await;
        broken.does(Node::restart).await;
    }
    load.goes_on(100).await;
    load.stop.store(true, Ordering::Relaxed);
    join_all(writers).await.into_iter().for_each(Result::unwrap);

    // A new reader reads the whole log.
    let late = Redirector::start(&broken, "bounced").await;
    let end = append_at_last(&late.log, 1_000_000..).await;
    let log = stretches(&late.recorder.told());
    assert_eq!(log.len(), 1, "a gap for one who is new");
    let log: Vec<u128> = log[0].clone();
    let distinct: BTreeSet<u128> = log.iter().copied().collect();
    assert_eq!(distinct.len(), log.len(), "told twice");
    assert!(distinct.is_superset(&load.appended.lock().unwrap()));
    for redirector in &redirectors {
        redirector.recorder.hears(Logged::Intent(intent(end))).await;
        let told = redirector.recorder.told();
        let stretches = stretches(&told);
        // A killed broker loses nothing that it has confirmed.
        assert_eq!(stretches.len(), 1, "a gap");
        assert!(stretches[0].contains(&log[0]), "the beginning is missing");
        for stretch in stretches {
            assert_is_part(&stretch, &log);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_fails_within_its_limit_while_the_broker_is_frozen_or_away() {
    let broken = Broken::node().await;
    let redirector = Redirector::start(&broken, "away").await;
    let other = Redirector::start(&broken, "away").await;
    redirector.log.append(intent(0)).await.unwrap();
    other.log.append(intent(1)).await.unwrap();

    broken.does(Node::freeze).await;
    let began = Instant::now();
    let appends = (100..400).map(|number| redirector.log.append(intent(number)));
    let appends = join_all(appends).await;
    assert!(appends.into_iter().all(|append| append.is_err()));
    assert!(began.elapsed() < SOON);
    broken.does(Node::resume).await;
    append_at_last(&redirector.log, 1000..).await;

    broken.does(Node::kill).await;
    let append = tokio::time::timeout(SOON, redirector.log.append(intent(3)));
    assert!(append.await.unwrap().is_err());
    // A new reader waits for the broker.
    let late = tokio::time::timeout(SOON, Redirector::start(&broken, "away"));
    let late = late.await.unwrap();
    assert!(late.log.append(intent(4)).await.is_err());
    broken.does(Node::restart).await;
    append_at_last(&redirector.log, 2000..).await;
    let end = append_at_last(&late.log, 3000..).await;

    for reader in [&redirector, &other] {
        reader.recorder.hears(Logged::Intent(intent(end))).await;
    }
    assert_eq!(redirector.recorder.numbers(), other.recorder.numbers());
    // And none of those that failed came after one that was confirmed.
    assert_eq!(late.recorder.numbers(), redirector.recorder.numbers());
}

/// A log that ends before our position sends nothing until it is that long again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_has_become_shorter_while_the_broker_was_away_is_a_gap() {
    let broken = Broken::node().await;
    let redirector = Redirector::start(&broken, "shorter").await;
    for number in 0..200 {
        redirector.log.append(intent(number)).await.unwrap();
    }
    // We are disconnected while the log is created again, so nobody tells us.
    broken.says(&["-q", "clear_permissions", "guest"]).await;
    broken
        .says(&["-q", "close_all_connections", "stay out"])
        .await;
    until("out", || {
        let health = redirector.queue.health();
        matches!(health, queue::Health::Down(why) if why.contains("doesn't let us"))
    })
    .await;
    broken
        .says(&["-q", "delete_queue", "shorter.intents"])
        .await;
    broken
        .says(&["-q", "set_permissions", "guest", ".*", ".*", ".*"])
        .await;
    // A reader that appends nothing is told as well.
    redirector.recorder.hears(Logged::Gap).await;
    let since = append_at_last(&redirector.log, 1000..).await;
    let told = redirector.recorder.told();
    let stretches = stretches(&told);
    assert!(stretches.len() > 1, "no gap");
    assert!(stretches.last().unwrap().contains(&since));
}

/// RabbitMQ closes the channel of a consumer that keeps entries unacknowledged, and no entry may come
/// after ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_log_is_read_by_one_consumer_for_good() {
    let broken = Broken::node().await;
    broken
        .close_channels_after(Duration::from_millis(500))
        .await;
    let redirector = Redirector::start(&broken, "quiet").await;
    redirector.log.append(intent(1)).await.unwrap();
    let before = broken.says(CONSUMERS).await;
    assert!(before.contains('<'), "{before}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(broken.says(CONSUMERS).await, before);
    broken.close_channels_after(Duration::from_secs(1800)).await;
}

/// The channels that read the log, of which `list_consumers` knows nothing.
const CONSUMERS: &[&str] = &[
    "-q",
    "eval",
    "[Channel || Consumer <- ets:tab2list(consumer_created), \
     {{resource, _, _, <<\"quiet.intents\">>}, Channel, _} <- [element(1, Consumer)]].",
];

/// Those of the longest stream.
const SEGMENTS: &[&str] = &[
    "-q",
    "eval",
    "lists:max([maps:get(segments, Counters, 0) || \
     Counters <- maps:values(osiris_counters:overview())]).",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_many_segments_has_no_gap() {
    let broken = Broken::node().await;
    let redirectors = join_all((0..2).map(|_| Redirector::start(&broken, "long"))).await;
    let (load, writers) = Load::start(&redirectors, 32);
    while broken.says(SEGMENTS).await.trim().parse::<u32>().unwrap() < 4 {
        load.goes_on(1000).await;
    }
    load.stop.store(true, Ordering::Relaxed);
    join_all(writers).await.into_iter().for_each(Result::unwrap);
    let end = append_at_last(&redirectors[0].log, 10_000_000..).await;
    redirectors[1]
        .recorder
        .hears(Logged::Intent(intent(end)))
        .await;
    assert!(redirectors[0].recorder.numbers() == redirectors[1].recorder.numbers());
}

/// If nothing was appended in the time that the broker is asked for, it looks where the log ends and
/// begins there a moment later. It would never send what was appended in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_begin_while_a_new_log_fills_miss_nothing() {
    let broken = Broken::node().await;
    let url = broken.node.url();
    let operator = lapin::Connection::connect(&url, lapin::ConnectionProperties::default());
    let operator = operator.await.unwrap();
    join_all((0..4).map(async |lane| {
        let channel = operator.create_channel().await.unwrap();
        for round in 0..25 {
            let prefix = format!("fills{lane}-{round}");
            // One after the other: RabbitMQ 3 closes a connection that publishes to a stream while the
            // stream is being created.
            let queues = [
                broken.open(&prefix, LIMIT).await,
                broken.open(&prefix, LIMIT).await,
            ];
            let redirectors = queues.map(Redirector::of);
            let appends = (0..200_u128).map(|number| {
                let redirector = &redirectors[usize::try_from(number % 2).unwrap()];
                redirector.log.append(intent(number))
            });
            join_all(appends).await.into_iter().for_each(Result::unwrap);
            for redirector in redirectors {
                redirector.queue.close().await;
            }
            let streams = ["intents", "history"].map(|name| format!("{prefix}.{name}"));
            for queue in message_queues(&prefix).into_iter().chain(streams) {
                let options = lapin::options::QueueDeleteOptions::default();
                channel.queue_delete(queue.into(), options).await.unwrap();
            }
        }
    }))
    .await;
}

/// RabbitMQ 3 tells nobody that a stream was deleted when it is declared again at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_the_broker_forgets_notices_and_is_told_of_a_gap() {
    let broken = Broken::node().await;
    let redirector = Redirector::start(&broken, "forgotten").await;
    for number in 0..20 {
        redirector.log.append(intent(number)).await.unwrap();
    }
    broken
        .says(&["-q", "delete_queue", "forgotten.intents"])
        .await;
    let other = Redirector::start(&broken, "forgotten").await;
    append_at_last(&other.log, 100..).await;
    let since = append_at_last(&redirector.log, 1000..).await;
    let told = redirector.recorder.told();
    let stretches = stretches(&told);
    assert!(stretches.len() > 1, "no gap");
    assert!(stretches.last().unwrap().contains(&since));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_a_stream_that_only_age_makes_shorter() {
    let broken = Broken::node().await;
    Redirector::start(&broken, "shape").await;
    let queues = broken
        .says(&["-q", "list_queues", "name", "type", "arguments"])
        .await;
    let mut lines = queues.lines();
    let log = lines.find(|line| line.starts_with("shape.intents"));
    let log = log.expect("the log is there");
    for part in [
        "stream",
        "{\"x-max-age\",\"600s\"}",
        "{\"x-stream-max-segment-size-bytes\",1000000}",
    ] {
        assert!(log.contains(part), "{part} is not in: {log}");
    }
    assert!(!log.contains("length"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_not_ours_in_the_place_of_the_log_is_refused_by_name() {
    let broken = Broken::node().await;
    Redirector::start(&broken, "taken")
        .await
        .queue
        .close()
        .await;
    broken.says(&["-q", "delete_queue", "taken.intents"]).await;
    let url = broken.node.url();
    let stranger = lapin::Connection::connect(&url, lapin::ConnectionProperties::default());
    let channel = stranger.await.unwrap().create_channel().await.unwrap();
    let durable = lapin::options::QueueDeclareOptions::durable();
    let arguments = lapin::types::FieldTable::default();
    channel
        .queue_declare("taken.intents".into(), durable, arguments)
        .await
        .unwrap();

    let options = queue::Options {
        prefix: "taken".to_owned(),
        ..queue::Options::default()
    };
    let refused = AmqpQueue::open(&[url.parse().unwrap()], options).await;
    let said = refused.err().expect("it is refused").to_string();
    assert!(said.contains("\"taken.intents\""), "{said}");
    assert!(said.contains("delete"), "{said}");
}
