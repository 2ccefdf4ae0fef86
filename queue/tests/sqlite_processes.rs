//! Real processes that share a queue file, and are killed or frozen.
//!
//! The other process is this test binary again, told by an environment variable what to be.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use queue::sqlite::SqliteQueue;
use queue::{Consumer, Delivery, Lane, Options, Publish, Queue, Stats};

#[allow(dead_code, reason = "for the suite")]
#[path = "conformance/requests.rs"]
mod requests;
use requests::{message, number, outcome, redirected};

const PATIENCE: Duration = Duration::from_secs(60);
const ROLE: &str = "QUEUE_TEST_ROLE";
const FILE: &str = "QUEUE_TEST_FILE";

fn options() -> Options {
    Options {
        delivery_limit: 3,
        publish_timeout: PATIENCE,
        later: Duration::from_secs(2),
        ..Options::default()
    }
}

const HOLDS: &str = "holds three deliveries and a lock";
const HOLDS_AN_OUTCOME: &str = "holds an outcome";
const STOPS_WHEN_TOLD: &str = "holds a delivery, and stops when told";
const OPENS_WHEN_TOLD: &str = "opens the file when told, and publishes";

async fn open(path: &Path) -> SqliteQueue {
    SqliteQueue::open(path, options()).await.unwrap()
}

async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    tokio::time::timeout(PATIENCE, consumer.next())
        .await
        .expect("a delivery comes")
        .unwrap()
}

/// The other process.
struct Other {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(role: &str, file: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_other_process", "--nocapture"])
            .env(ROLE, role)
            .env(FILE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, output }
    }

    /// The next thing it says.
    fn says(&mut self) -> Option<String> {
        self.output
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("says: ")?.1.to_owned()))
    }

    /// As a power cut would end it.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(text: impl std::fmt::Display) {
    println!("says: {text}");
}

/// What [`Other`] runs. As a test it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_process() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let file = PathBuf::from(std::env::var_os(FILE).unwrap());
    if role == OPENS_WHEN_TOLD {
        say("ready");
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }
    let queue = open(&file).await;
    match role.as_str() {
        OPENS_WHEN_TOLD => {
            queue.publish(&message(1)).await.unwrap();
            say("published");
            queue.close().await;
        }
        HOLDS => {
            let _lock = queue.try_lock("sweep").await.unwrap().unwrap();
            let mut consumer = queue.consume(Lane::Redirects, 3).await.unwrap();
            let _held = [
                next(&mut consumer).await,
                next(&mut consumer).await,
                next(&mut consumer).await,
            ];
            say("holding");
            std::future::pending().await
        }
        HOLDS_AN_OUTCOME => {
            let mut consumer = queue.consume(Lane::Outcomes, 3).await.unwrap();
            let _held = next(&mut consumer).await;
            queue.publish(&redirected(2).into()).await.unwrap();
            say("holding");
            std::future::pending().await
        }
        "publishes without end" => {
            let queue = std::sync::Arc::new(queue);
            for lane in 0..16 {
                let queue = queue.clone();
                tokio::spawn(async move {
                    for count in 0.. {
                        let number = lane * 1_000_000 + count;
                        queue.publish(&message(number)).await.unwrap();
                        say(number);
                    }
                });
            }
            std::future::pending().await
        }
        "consumes without end" => {
            let mut consumer = queue.consume(Lane::Redirects, 20).await.unwrap();
            loop {
                let delivery = next(&mut consumer).await;
                // Before the ack: if it is killed in between, the message is seen twice rather than never.
                say(number(&delivery));
                delivery.ack().await.unwrap();
            }
        }
        STOPS_WHEN_TOLD => {
            let mut consumer = queue.consume(Lane::Redirects, 3).await.unwrap();
            let held = next(&mut consumer).await;
            say("holding");
            std::io::stdin().read_line(&mut String::new()).unwrap();
            consumer.stop().await;
            held.ack().await.unwrap();
            queue.close().await;
        }
        role => panic!("no role {role:?}"),
    }
}

async fn becomes(queue: &SqliteQueue, what: &str, holds: impl Fn(&Stats) -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds(&queue.stats().await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never {what}"));
}

/// As ingest and redirector do when they are first started.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_start_together_on_a_new_file_share_it() {
    const PAIRS: u32 = 100;
    let folder = tempfile::tempdir().unwrap();
    let mut failed = 0;
    for pair in 0..PAIRS {
        let file = folder.path().join(format!("{pair}.db"));
        let mut both = [(); 2].map(|()| Other::start(OPENS_WHEN_TOLD, &file));
        for other in &mut both {
            assert_eq!(other.says().as_deref(), Some("ready"));
        }
        for other in &mut both {
            drop(other.child.stdin.take());
            // The first has come to another step each time.
            std::thread::sleep(Duration::from_micros(100) * (pair % 50));
        }
        for other in &mut both {
            failed += usize::from(other.says().as_deref() != Some("published"));
            other.child.wait().unwrap();
        }
    }
    assert_eq!(failed, 0, "of {} starts", 2 * PAIRS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_held_goes_to_others_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue.db");
    let queue = open(&file).await;
    for number in 0..4 {
        queue.publish(&message(number)).await.unwrap();
    }
    let mut other = Other::start(HOLDS, &file);
    assert_eq!(other.says().as_deref(), Some("holding"));
    assert_eq!(queue.stats().await.unwrap().unacked, Some(3));
    assert!(queue.try_lock("sweep").await.unwrap().is_none());
    other.kill();
    queue.close().await;

    // As a service manager would start it again.
    let queue = open(&file).await;
    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    for expected in 0..4 {
        let delivery = next(&mut consumer).await;
        assert_eq!(number(&delivery), expected);
        assert_eq!(delivery.redelivered, expected < 3);
        assert_eq!(delivery.delivery_count, u32::from(expected < 3));
        delivery.ack().await.unwrap();
    }
    assert!(queue.try_lock("sweep").await.unwrap().is_some());
    queue.close().await;
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["queue.db"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stays_takes_over_from_one_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue.db");
    let queue = open(&file).await;
    for number in 0..3 {
        queue.publish(&message(number)).await.unwrap();
    }
    let mut other = Other::start(HOLDS, &file);
    assert_eq!(other.says().as_deref(), Some("holding"));
    assert!(!queue.stands_by(), "it consumes nothing");
    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    becomes(&queue, "the standby", |_| queue.stands_by()).await;
    other.kill();
    for expected in 0..3 {
        let delivery = next(&mut consumer).await;
        assert_eq!((number(&delivery), delivery.delivery_count), (expected, 1));
        delivery.ack().await.unwrap();
    }
    assert!(!queue.stands_by());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_and_what_is_for_later_outlive_a_process_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue.db");
    let queue = open(&file).await;
    queue.publish(&outcome(1).into()).await.unwrap();
    let mut other = Other::start(HOLDS_AN_OUTCOME, &file);
    assert_eq!(other.says().as_deref(), Some("holding"));
    let mut consumer = queue.consume(Lane::Outcomes, 10).await.unwrap();
    other.kill();
    for (expected, redelivered) in [(outcome(1), true), (redirected(2), false)] {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.message.content().unwrap(), expected);
        assert_eq!(delivery.redelivered, redelivered);
        delivery.ack().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_consumers_are_killed_becomes_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue.db");
    let queue = open(&file).await;
    for number in 0..3 {
        queue.publish(&message(number)).await.unwrap();
    }
    for _ in 0..=options().delivery_limit {
        let mut other = Other::start(HOLDS, &file);
        assert_eq!(other.says().as_deref(), Some("holding"));
        other.kill();
    }
    let _consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    becomes(&queue, "dead letters", |stats| stats.dead == 3).await;
    assert_eq!(queue.stats().await.unwrap().ready, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_publisher_was_told_is_durable_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue.db");
    let mut other = Other::start("publishes without end", &file);
    let mut confirmed: BTreeSet<u32> = BTreeSet::new();
    while confirmed.len() < 500 {
        confirmed.insert(other.says().unwrap().parse().unwrap());
    }
    other.kill();
    while let Some(number) = other.says() {
        // The last line may be cut off.
        confirmed.extend(number.parse::<u32>());
    }

    let queue = open(&file).await;
    let mut waiting = queue.stats().await.unwrap().ready;
    let mut consumer = queue.consume(Lane::Redirects, 100).await.unwrap();
    let mut seen = BTreeSet::new();
    while waiting > 0 {
        let delivery = next(&mut consumer).await;
        assert!(!delivery.redelivered);
        assert!(seen.insert(number(&delivery)), "stored twice");
        delivery.ack().await.unwrap();
        waiting -= 1;
    }
    let lost: Vec<_> = confirmed.difference(&seen).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_consumers_killed_under_load_every_message_is_seen() {
    const COUNT: u32 = 3000;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue.db");
    let queue = open(&file).await;
    let mut seen = BTreeSet::new();
    for round in 0..3 {
        let numbers = round * COUNT / 3..(round + 1) * COUNT / 3;
        let publishes = numbers.map(|number| {
            let (queue, message) = (&queue, message(number));
            async move { queue.publish(&message).await.unwrap() }
        });
        futures::future::join_all(publishes).await;
        let mut first = Other::start("consumes without end", &file);
        seen.extend(first.says().unwrap().parse::<u32>());
        let standby = Other::start("consumes without end", &file);
        let mut others = [first, standby];
        for other in &mut others {
            for _ in 0..100 {
                seen.extend(other.says().unwrap().parse::<u32>());
            }
            other.kill();
            while let Some(number) = other.says() {
                seen.extend(number.parse::<u32>());
            }
        }
    }
    let mut consumer = queue.consume(Lane::Redirects, 50).await.unwrap();
    while seen.len() < COUNT as usize {
        let waited = tokio::time::timeout(PATIENCE, consumer.next()).await;
        let missing = || (0..COUNT).filter(|n| !seen.contains(n)).collect::<Vec<_>>();
        let delivery = waited
            .unwrap_or_else(|_| panic!("lost: {:?}", missing()))
            .unwrap();
        let number = number(&delivery);
        delivery.ack().await.unwrap();
        seen.insert(number);
    }
}

/// Checks that we stand by while the other process consumes.
async fn stands_by(queue: &SqliteQueue, other: &mut Other) -> Box<dyn Consumer> {
    for number in 0..4 {
        queue.publish(&message(number)).await.unwrap();
    }
    assert_eq!(other.says().as_deref(), Some("holding"));
    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(500), consumer.next()).await;
    assert!(waited.is_err(), "the other one consumes");
    consumer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_from_a_process_that_stops() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue.db");
    let queue = open(&file).await;
    let mut other = Other::start(STOPS_WHEN_TOLD, &file);
    let mut consumer = stands_by(&queue, &mut other).await;
    drop(other.child.stdin.take());
    for expected in 1..4 {
        let delivery = next(&mut consumer).await;
        assert_eq!((number(&delivery), delivery.redelivered), (expected, false));
        delivery.ack().await.unwrap();
    }
    assert!(other.child.wait().unwrap().success());
}

/// It may go on at any moment, so nothing is taken from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_process_keeps_what_it_holds_until_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue.db");
    let queue = open(&file).await;
    let mut other = Other::start(HOLDS, &file);
    let mut consumer = stands_by(&queue, &mut other).await;
    other.signal("-STOP");
    let waited = tokio::time::timeout(Duration::from_millis(500), consumer.next()).await;
    assert!(waited.is_err(), "the other one may go on");
    assert!(queue.try_lock("sweep").await.unwrap().is_none());
    other.kill();
    for expected in 0..4 {
        let delivery = next(&mut consumer).await;
        assert_eq!(
            (number(&delivery), delivery.redelivered),
            (expected, expected < 3)
        );
        delivery.ack().await.unwrap();
    }
}
