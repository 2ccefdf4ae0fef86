//! Files that are no queue, and what other programs and processes do to one that is.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use queue::sqlite::SqliteQueue;
use queue::{Consumer, Delivery, Health, Lane, Logged, Options, Publish, Queue, QueueError};

#[allow(dead_code, unused_macros, reason = "for the suite; here its helpers only")]
mod conformance;
use conformance::{intents, message, number, options};

const PATIENCE: Duration = Duration::from_secs(60);

async fn open(path: &Path) -> SqliteQueue {
    SqliteQueue::open(path, options()).await.unwrap()
}

async fn refusal(path: &Path) -> QueueError {
    match SqliteQueue::open(path, options()).await {
        Ok(_) => panic!("{path:?} was taken for a queue"),
        Err(error) => error,
    }
}

async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    tokio::time::timeout(PATIENCE, consumer.next())
        .await
        .expect("a delivery comes")
        .unwrap()
}

#[tokio::test]
async fn a_file_that_is_no_queue_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "a shopping list, longer than a header of SQLite's: milk, bread, ".repeat(20);
    fs::write(&path, &text).unwrap();
    let error = refusal(&path).await;
    assert!(matches!(error, QueueError::Mismatch(_)), "{error:?}");
    assert!(!error.is_transient());
    assert!(error.to_string().contains("notes.txt"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    let path = folder.path().join("address-book.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE people (name)").unwrap();
    drop(other);
    let before = fs::read(&path).unwrap();
    let error = refusal(&path).await;
    assert!(matches!(error, QueueError::Mismatch(_)), "{error:?}");
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_queue_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    open(&path).await.close().await;
    rusqlite::Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 7)
        .unwrap();
    let error = refusal(&path).await;
    assert!(matches!(error, QueueError::Mismatch(_)), "{error:?}");
    assert!(error.to_string().contains("version"), "{error}");
}

/// A file as the first version left it: with one message that was delivered before, one that was
/// not, and one that was out with a consumer.
fn make_first_version(path: &Path) {
    let first = rusqlite::Connection::open(path).unwrap();
    first
        .pragma_update(None, "auto_vacuum", "INCREMENTAL")
        .unwrap();
    first
        .execute_batch(include_str!("../src/sqlite/schema_1.sql"))
        .unwrap();
    first
        .pragma_update(None, "application_id", 0x464c_584f)
        .unwrap();
    first.pragma_update(None, "user_version", 1).unwrap();
    for (number, deliveries, owner) in [(1, 2, None), (2, 0, None), (3, 0, Some(7))] {
        let raw = message(number).encode();
        first
            .execute(
                "INSERT INTO messages (id, kind, body, published_at, deliveries, owner)
                 VALUES (?, ?, ?, 0, ?, ?)",
                (raw.id, raw.kind, raw.body, deliveries, owner),
            )
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_of_the_first_version_goes_on_with_all_that_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    make_first_version(&path);
    // Many at once, as after an upgrade of the whole machine.
    let queues = join_all((0..6).map(|_| open(&path))).await;
    let mut consumer = queues[0].consume(Lane::Redirects, 10).await.unwrap();
    for (expected, count) in [(1, 2), (2, 0), (3, 1)] {
        let delivery = next(&mut consumer).await;
        assert_eq!(number(&delivery), expected);
        assert_eq!(delivery.delivery_count, count);
        assert_eq!(delivery.redelivered, count > 0);
        delivery.ack().await.unwrap();
    }
    let (log, recorder) = intents::log(&(Arc::new(open(&path).await) as Arc<dyn Queue>));
    log.append(intents::intent(1)).await.unwrap();
    assert_eq!(recorder.numbers(), [1]);
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = refusal(&folder.path().join("no/such/queue.db")).await;
    assert!(matches!(error, QueueError::Mismatch(_)), "{error:?}");
    assert!(error.to_string().contains("no/such"), "{error}");

    let error = refusal(folder.path()).await;
    assert!(error.to_string().contains("can't be opened"), "{error}");
}

#[tokio::test]
async fn a_file_damaged_while_it_was_closed_is_refused_or_reported_as_broken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let queue = open(&path).await;
    for number in 0..200 {
        queue.publish(&message(number)).await.unwrap();
    }
    queue.close().await;
    let whole = fs::read(&path).unwrap();

    // The first page holds the schema.
    let mut damaged = whole.clone();
    damaged[16..4096].fill(0xa5);
    fs::write(&path, &damaged).unwrap();
    let error = refusal(&path).await;
    assert!(matches!(error, QueueError::Mismatch(_)), "{error:?}");

    // The others hold the messages.
    let mut damaged = whole.clone();
    damaged[4096..].fill(0xa5);
    fs::write(&path, &damaged).unwrap();
    let queue = open(&path).await;
    let refused = queue.publish(&message(1)).await.unwrap_err();
    assert!(matches!(refused, QueueError::Storage(_)), "{refused}");
    assert!(
        matches!(queue.health(), Health::Broken(_)),
        "{:?}",
        queue.health()
    );
    assert!(queue.stats().await.is_err());
    queue.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_open_a_new_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    for queue in join_all((0..12).map(|_| open(&path))).await {
        queue.publish(&message(1)).await.unwrap();
    }
    assert_eq!(open(&path).await.stats().await.unwrap().ready, 12);
}

/// It takes several reads to recognise a file, and another process may create the queue between two of
/// them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_judged_by_what_it_is_at_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    open(&path).await.close().await;
    let changing = Arc::new(AtomicBool::new(true));
    let changes = std::thread::spawn({
        let (path, changing) = (path.clone(), changing.clone());
        move || {
            let other = rusqlite::Connection::open(path).unwrap();
            other.busy_timeout(PATIENCE).unwrap();
            other.pragma_update(None, "synchronous", "OFF").unwrap();
            let pragma = |name| other.pragma_query_value(None, name, |row| row.get(0));
            let queue: [i32; 2] =
                ["application_id", "user_version"].map(|name| pragma(name).unwrap());
            let becomes = |[application, version]: [i32; 2]| {
                let changes = format!(
                    "BEGIN IMMEDIATE; PRAGMA application_id = {application}; \
                     PRAGMA user_version = {version}; COMMIT"
                );
                other.execute_batch(&changes).unwrap();
            };
            while changing.load(Ordering::Relaxed) {
                becomes([1, 9]);
                becomes(queue);
            }
        }
    });
    let mut verdicts = BTreeSet::new();
    for _ in 0..5_000 {
        verdicts.insert(match SqliteQueue::open(&path, options()).await {
            Ok(queue) => {
                queue.close().await;
                "a queue".to_owned()
            }
            Err(error) => error.to_string(),
        });
    }
    changing.store(false, Ordering::Relaxed);
    changes.join().unwrap();
    let half = verdicts.iter().find(|verdict| verdict.contains("version"));
    assert_eq!(half, None, "of {verdicts:?}");
}

/// As somebody else's transaction.
fn hold_the_file(path: &Path) -> rusqlite::Connection {
    let holder = rusqlite::Connection::open(path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    holder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_gives_up_in_time_and_is_not_done_behind_its_publishers_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let options = Options {
        publish_timeout: Duration::from_millis(100),
        ..options()
    };
    let queue = SqliteQueue::open(&path, options).await.unwrap();
    let holder = hold_the_file(&path);
    // The writer waits for the file with the first of them, and never sees the others.
    for number in 0..5 {
        let refused = queue.publish(&message(number)).await.unwrap_err();
        assert!(matches!(refused, QueueError::TimedOut(_)), "{refused}");
    }
    drop(holder);

    let queue = open(&path).await;
    queue.publish(&message(9)).await.unwrap();
    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&9) {
        let delivery = next(&mut consumer).await;
        seen.push(number(&delivery));
        delivery.ack().await.unwrap();
    }
    assert!(seen == [9] || seen == [0, 9], "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_fails_in_time_while_the_file_is_held_and_leaves_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let options = Options {
        publish_timeout: Duration::from_secs(1),
        ..options()
    };
    let hurried: Arc<dyn Queue> = Arc::new(SqliteQueue::open(&path, options).await.unwrap());
    let patient: Arc<dyn Queue> = Arc::new(open(&path).await);
    let (log, recorder) = intents::log(&hurried);
    let (patient_log, patient_recorder) = intents::log(&patient);
    log.append(intents::intent(0)).await.unwrap();

    let holder = hold_the_file(&path);
    for number in 1..5 {
        assert!(log.append(intents::intent(number)).await.is_err());
    }
    assert_eq!(recorder.numbers(), [0]);
    drop(holder);
    let last = intents::append_at_last(&log, 10..).await;

    patient_log.append(intents::intent(1000)).await.unwrap();
    let whole = patient_recorder.numbers();
    recorder.hears(Logged::Intent(intents::intent(1000))).await;
    assert_eq!(recorder.numbers(), whole);
    // At most the first of those that failed: the writer was already trying it.
    assert!(
        whole == [0, last, 1000] || whole == [0, 1, last, 1000],
        "{whole:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_change_that_fails_by_itself_takes_no_other_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let queue = open(&path).await;
    let poison = message(13).encode().id.unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(&format!(
            "CREATE TRIGGER poison BEFORE INSERT ON messages WHEN new.id = '{poison}'
             BEGIN SELECT raise(ABORT, 'not this one'); END"
        ))
        .unwrap();

    let messages: Vec<_> = (0..50).map(message).collect();
    let published = join_all(messages.iter().map(|message| queue.publish(message))).await;
    for (number, published) in published.iter().enumerate() {
        assert_eq!(published.is_ok(), number != 13, "{number}: {published:?}");
    }
    assert_eq!(queue.stats().await.unwrap().ready, 49);
    assert_eq!(queue.health(), Health::Up);
}

#[tokio::test]
async fn the_age_of_the_oldest_message_can_be_told() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder.path().join("queue.db")).await;
    let oldest_of = async || queue.stats().await.unwrap().oldest;
    assert_eq!(oldest_of().await, None);
    let before = Timestamp::now();
    queue.publish(&message(1)).await.unwrap();
    let oldest = oldest_of().await.unwrap();
    queue.publish(&message(2)).await.unwrap();
    // Stored to the millisecond.
    assert!(oldest.as_millisecond() >= before.as_millisecond() && oldest <= Timestamp::now());

    let mut consumer = queue.consume(Lane::Redirects, 2).await.unwrap();
    let first = next(&mut consumer).await;
    assert_eq!(oldest_of().await, Some(oldest));
    first.ack().await.unwrap();
    assert!(oldest_of().await >= Some(oldest));
    next(&mut consumer).await.ack().await.unwrap();
    assert_eq!(oldest_of().await, None);
}
