//! The lanes and the table of outcomes as the file has them.

#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, unused_macros, reason = "for the suite; here its helpers only")]
mod conformance;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use conformance::told::{history, reads, story, tell};
use conformance::{PATIENCE, ack, list, message, next, number, options, outcome, redirected};
use futures::future::join_all;
use queue::sqlite::SqliteQueue;
use queue::{Filter, Lane, Options, Queue};
use rusqlite::Connection;
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    (folder, path)
}

async fn open(path: &Path) -> Arc<dyn Queue> {
    Arc::new(SqliteQueue::open(path, options()).await.unwrap())
}

/// As somebody with `sqlite3` at hand.
fn change(path: &Path, sql: &str) {
    let db = Connection::open(path).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    db.execute_batch(sql).unwrap();
}

fn count(path: &Path, what: &str) -> i64 {
    let db = Connection::open(path).unwrap();
    let sql = format!("SELECT count(*) FROM {what}");
    db.query_row(&sql, [], |row| row.get(0)).unwrap()
}

/// A file as the third version left it: with one message that waits, one that was out with a consumer,
/// and a dead letter.
fn make_third_version(path: &Path) {
    let third = Connection::open(path).unwrap();
    third
        .pragma_update(None, "auto_vacuum", "INCREMENTAL")
        .unwrap();
    for step in [
        include_str!("../src/sqlite/schema_1.sql"),
        include_str!("../src/sqlite/schema_2.sql"),
        include_str!("../src/sqlite/schema_3.sql"),
    ] {
        third.execute_batch(step).unwrap();
    }
    third
        .pragma_update(None, "application_id", 0x464c_584f)
        .unwrap();
    third.pragma_update(None, "user_version", 3).unwrap();
    for (number, unacked) in [(1, Some(1)), (2, None)] {
        let raw = message(number).encode();
        third
            .execute(
                "INSERT INTO messages (id, kind, body, published_at, unacked) VALUES (?, ?, ?, 0, ?)",
                (raw.id, raw.kind, raw.body, unacked),
            )
            .unwrap();
    }
    let raw = message(3).encode();
    third
        .execute(
            "INSERT INTO dead_letters (id, kind, body, died_at, reason, attempts)
             VALUES (?, ?, ?, 0, 'refused', 1)",
            (raw.id, raw.kind, raw.body),
        )
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_of_the_third_version_goes_on_with_all_that_it_holds() {
    let (_folder, path) = folder();
    make_third_version(&path);
    // Many at once, as after an upgrade of the whole machine.
    let queues = join_all((0..6).map(|_| open(&path))).await;
    let queue = &queues[0];
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.ready, stats.unacked, stats.dead), (1, Some(1), 1));
    let mut outcomes = queue.consume(Lane::Outcomes, 10).await.unwrap();
    queue.publish(&outcome(4).into()).await.unwrap();
    ack(next(&mut outcomes).await).await;
    assert_eq!(list(queue, &Filter::default()).await.len(), 1);
    assert_eq!(queue.replay(&Filter::default()).await.unwrap().len(), 1);
    let mut redirects = queue.consume(Lane::Redirects, 10).await.unwrap();
    for (expected, redelivered) in [(1, true), (2, false), (3, false)] {
        let delivery = next(&mut redirects).await;
        assert_eq!(number(&delivery), expected);
        assert_eq!(delivery.redelivered, redelivered);
        ack(delivery).await;
    }
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.ready, stats.unacked, stats.dead), (0, Some(0), 0));
    tell(queue, 0..3).await;
    reads(&mut history(&queues[1]).await, 0..3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_are_a_table_with_a_line_for_each() {
    let (_folder, path) = folder();
    let queue = open(&path).await;
    // Told twice, as after a process that died.
    tell(&queue, [0, 1, 0, 1]).await;
    reads(&mut history(&queue).await, 0..2).await;
    queue.publish(&message(1)).await.unwrap();
    assert_eq!(count(&path, "outcomes"), 2);
    let line = |number: u32| {
        let sql =
            "SELECT concat_ws(' ', at, id, type, plan, outcome, caller, call_sid, step, seconds)
                   FROM outcomes WHERE call_sid = ?";
        let call_sid = story(number).call_sid().unwrap();
        let db = Connection::open(&path).unwrap();
        db.query_row(sql, [call_sid.as_str()], |row| row.get::<_, String>(0))
            .unwrap()
    };
    let call = |number: u32| format!("CA{number:032x}");
    assert_eq!(
        line(0),
        format!(
            "2026-01-02T03:04:06Z WT{:032x} redirected.v1 default redirected {}",
            0,
            call(0)
        )
    );
    assert_eq!(
        line(1),
        format!(
            "2026-01-02T03:05:05.678Z CA{:024x}0000000d outcome.v1 default no-answer missed {} 2.1 7",
            1,
            call(1)
        )
    );
    let body: String = Connection::open(&path)
        .unwrap()
        .query_row(
            "SELECT body FROM outcomes WHERE outcome = 'no-answer'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(
        queue::Content::Outcome(serde_json::from_str(&body).unwrap()),
        story(1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_a_month_ago_is_forgotten() {
    let (_folder, path) = folder();
    let queue = open(&path).await;
    tell(&queue, 0..10).await;
    reads(&mut history(&queue).await, 0..10).await;
    let day = 24 * 60 * 60 * 1000_i64;
    change(
        &path,
        &format!(
            "UPDATE outcomes SET told_at = told_at - {} WHERE seq <= 4;
             UPDATE outcomes SET told_at = told_at - {} WHERE seq BETWEEN 5 AND 7",
            31 * day,
            29 * day
        ),
    );
    let _consumer = queue.consume(Lane::Outcomes, 1).await.unwrap();
    let forgotten = async {
        while count(&path, "outcomes") > 6 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, forgotten).await.unwrap();
    // An hour is asked for.
    reads(&mut history(&queue).await, 7..10).await;
    assert_eq!(count(&path, "outcomes"), 6);
    // Numbers go on from where they were.
    tell(&queue, [10]).await;
    let mut all = queue
        .history(Duration::from_secs(30 * 24 * 60 * 60))
        .await
        .unwrap();
    reads(&mut all, 4..11).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_put_off_by_a_clock_that_was_wrong_comes_out_all_the_same() {
    let (_folder, path) = folder();
    let later = Options {
        later: Duration::from_secs(60 * 60),
        ..options()
    };
    let queue = SqliteQueue::open(&path, later).await.unwrap();
    let queue: Arc<dyn Queue> = Arc::new(queue);
    for number in 0..4 {
        queue.publish(&redirected(number).into()).await.unwrap();
    }
    let hour = 60 * 60 * 1000;
    change(
        &path,
        &format!(
            "UPDATE messages SET published_at = published_at - {hour} WHERE seq = 1;
             UPDATE messages SET published_at = published_at + {hour} WHERE seq = 2"
        ),
    );
    let mut outcomes = queue.consume(Lane::Outcomes, 10).await.unwrap();
    for expected in [0, 1] {
        let delivery = next(&mut outcomes).await;
        assert_eq!(delivery.message.content().unwrap(), redirected(expected));
        ack(delivery).await;
    }
    conformance::nothing_comes(&mut outcomes).await;
    assert_eq!(count(&path, "messages WHERE lane = 2"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_message_is_the_oldest_request() {
    let (_folder, path) = folder();
    let queue = open(&path).await;
    queue.publish(&redirected(1).into()).await.unwrap();
    queue.publish(&outcome(1).into()).await.unwrap();
    assert_eq!(queue.stats().await.unwrap().oldest, None);
    queue.publish(&message(1)).await.unwrap();
    queue.publish(&message(2)).await.unwrap();
    change(&path, "UPDATE messages SET published_at = 1000 * seq");
    let oldest = async || queue.stats().await.unwrap().oldest.unwrap().as_second();
    assert_eq!(oldest().await, 3);
    let mut redirects = queue.consume(Lane::Redirects, 1).await.unwrap();
    let held = next(&mut redirects).await;
    assert_eq!(oldest().await, 3);
    ack(held).await;
    assert_eq!(oldest().await, 4);
}
