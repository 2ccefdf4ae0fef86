//! The log of intents while RabbitMQ fails, and what it is on the broker.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(
    dead_code,
    unused_macros,
    reason = "for the suite; here its helpers only"
)]
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
use queue::amqp::AmqpQueue;
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
        let queue = broken.open(prefix, LIMIT).await;
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

/// What was told between two gaps, as numbers.
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

/// Every stretch is a part of the log as it is, in its order and without a hole.
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
        broken.does(Node::restart).await;
    }
    load.goes_on(100).await;
    load.stop.store(true, Ordering::Relaxed);
    join_all(writers).await.into_iter().for_each(Result::unwrap);

    // One who comes new reads the log as it is.
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
    // Who comes now waits for the broker.
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
    // And none of those that failed came after one that was told to be there.
    assert_eq!(late.recorder.numbers(), redirector.recorder.numbers());
}

/// A log whose end is before the place where we were sends nothing until it is there again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_has_become_shorter_while_the_broker_was_away_is_a_gap() {
    let broken = Broken::node().await;
    let redirector = Redirector::start(&broken, "shorter").await;
    for number in 0..200 {
        redirector.log.append(intent(number)).await.unwrap();
    }
    // The connection goes before the log is made anew, so that nobody says that it was deleted.
    broken.does(Node::freeze).await;
    assert!(redirector.log.append(intent(900)).await.is_err());
    until("down", || redirector.queue.health() != queue::Health::Up).await;
    broken
        .does(|node| {
            node.resume();
            node.ctl(&["-q", "delete_queue", "shorter.intents"]);
        })
        .await;
    let since = append_at_last(&redirector.log, 1000..).await;
    let told = redirector.recorder.told();
    let stretches = stretches(&told);
    assert!(stretches.len() > 1, "no gap");
    assert!(stretches.last().unwrap().contains(&since));
}

/// RabbitMQ closes the channel of who keeps entries unacknowledged, and none may come after ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_log_is_read_by_one_consumer_for_good() {
    let broken = Broken::node().await;
    broken
        .close_channels_after(Duration::from_millis(500))
        .await;
    let redirector = Redirector::start(&broken, "quiet").await;
    redirector.log.append(intent(1)).await.unwrap();
    let before = consumers(&broken).await;
    assert!(before.contains('<'), "{before}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(consumers(&broken).await, before);
    broken.close_channels_after(Duration::from_secs(1800)).await;
}

/// The channels that read the log, of which `list_consumers` knows nothing.
const CONSUMERS: &str = "[Channel || Consumer <- ets:tab2list(consumer_created), \
                          {{resource, _, _, <<\"quiet.intents\">>}, Channel, _} <- \
                          [element(1, Consumer)]].";

async fn consumers(broken: &Broken) -> String {
    let listed = Arc::new(Mutex::new(String::new()));
    let into = listed.clone();
    broken
        .does(move |node| {
            *into.lock().unwrap() = node.ctl(&["-q", "eval", CONSUMERS]);
        })
        .await;
    let listed = listed.lock().unwrap();
    listed.clone()
}

/// Those of the longest stream.
const SEGMENTS: &str = "lists:max([maps:get(segments, Counters, 0) || \
                        Counters <- maps:values(osiris_counters:overview())]).";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_many_segments_has_no_gap() {
    let broken = Broken::node().await;
    let redirectors = join_all((0..2).map(|_| Redirector::start(&broken, "long"))).await;
    let (load, writers) = Load::start(&redirectors, 32);
    let segments = Arc::new(AtomicU64::new(0));
    while segments.load(Ordering::Relaxed) < 4 {
        load.goes_on(1000).await;
        let count = segments.clone();
        broken
            .does(move |node| {
                let counted = node.ctl(&["-q", "eval", SEGMENTS]);
                count.store(counted.trim().parse().unwrap(), Ordering::Relaxed);
            })
            .await;
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
