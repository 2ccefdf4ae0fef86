//! A full disk, and how much of it the file takes.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use queue::sqlite::SqliteQueue;
use queue::{
    Cause, Consumer, DeadLetters, Delivery, Filter, Health, Lane, Options, Publish, Queue,
    QueueError, Reason,
};

#[allow(dead_code, reason = "for the suite")]
#[path = "conformance/requests.rs"]
mod requests;
use requests::{message, number};

const PATIENCE: Duration = Duration::from_secs(60);

fn options() -> Options {
    Options {
        publish_timeout: PATIENCE,
        ..Options::default()
    }
}

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

/// A disk of 6 MiB of its own.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, with a notice, if this user may not mount one.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
            .arg(folder.path())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self { folder });
        }
        eprintln!("skipped: a small disk can't be mounted by this user");
        None
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("queue.db")
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let filler = self.folder.path().join("filler");
        let mut size = fs::metadata(&filler).map_or(0, |metadata| metadata.len());
        for step in [1 << 20, 1 << 16, 1 << 12] {
            while fs::write(&filler, vec![1; usize::try_from(size + step).unwrap()]).is_ok() {
                size += step;
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.folder.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.folder.path())
            .status();
    }
}

async fn health_becomes(queue: &SqliteQueue, up: bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while (queue.health() == Health::Up) != up {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.expect("the health changes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_publishes_and_recovers_with_the_room() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let queue = open(&disk.file()).await;
    disk.fill();
    let mut confirmed = BTreeSet::new();
    let mut number = 0;
    let refused = loop {
        match queue.publish(&message(number)).await {
            Ok(()) => confirmed.insert(number),
            Err(error) => break error,
        };
        number += 1;
    };
    assert!(matches!(refused, QueueError::Storage(_)), "{refused}");
    assert!(refused.to_string().contains("full"), "{refused}");
    health_becomes(&queue, false).await;

    disk.make_room();
    // It notices by itself.
    health_becomes(&queue, true).await;
    for number in 1000..1100 {
        queue.publish(&message(number)).await.unwrap();
        confirmed.insert(number);
    }
    let mut consumer = queue.consume(Lane::Redirects, 20).await.unwrap();
    while !confirmed.is_empty() {
        let delivery = next(&mut consumer).await;
        confirmed.remove(&requests::number(&delivery));
        delivery.ack().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_settled_on_a_full_disk_comes_again_with_the_room() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let queue = open(&disk.file()).await;
    for number in 0..6 {
        queue.publish(&message(number)).await.unwrap();
    }
    let mut consumer = queue.consume(Lane::Redirects, 6).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(next(&mut consumer).await);
    }
    disk.fill();
    while queue.publish(&message(100)).await.is_ok() {}

    let cause = Cause {
        reason: Reason::Refused,
        attempts: 1,
        last_error: None,
    };
    let mut held = held.into_iter();
    let mut settle = async |ack: bool| {
        let delivery: Delivery = held.next().unwrap();
        let settled = match ack {
            true => delivery.ack().await,
            false => delivery.dead_letter(&cause).await,
        };
        assert!(
            matches!(settled, Err(QueueError::Storage(_))),
            "{settled:?}"
        );
    };
    settle(true).await;
    settle(false).await;
    // One is released, one dropped, and two are kept.
    let released = held.next().unwrap().release().await;
    assert!(
        matches!(released, Err(QueueError::Storage(_))),
        "{released:?}"
    );
    drop(held.next());

    disk.make_room();
    // A release doesn't count, even if it could only be written down later.
    for (expected, count) in [(0, 1), (1, 1), (2, 0), (3, 1)] {
        let delivery = next(&mut consumer).await;
        assert_eq!(
            (number(&delivery), delivery.delivery_count),
            (expected, count)
        );
        assert!(delivery.redelivered);
        delivery.ack().await.unwrap();
    }
    for kept in held {
        assert!(!kept.is_lost());
        kept.ack().await.unwrap();
    }
    assert!(queue.list(&Filter::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_queue_that_cannot_be_opened_on_a_full_disk_says_so_and_can_be_later() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let queue = open(&disk.file()).await;
    queue.publish(&message(1)).await.unwrap();
    queue.close().await;
    disk.fill();
    let error = refusal(&disk.file()).await;
    assert!(matches!(error, QueueError::Storage(_)), "{error:?}");
    assert!(error.is_transient());
    assert!(error.to_string().contains("queue.db"), "{error}");

    disk.make_room();
    let queue = open(&disk.file()).await;
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    assert_eq!(number(&next(&mut consumer).await), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_gives_back_what_a_backlog_took() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let queue = open(&path).await;
    let publishes = (0..30_000).map(|number| {
        let (queue, message) = (&queue, message(number));
        async move { queue.publish(&message).await.unwrap() }
    });
    futures::future::join_all(publishes).await;
    let mut consumer = queue.consume(Lane::Redirects, 500).await.unwrap();
    for _ in 0..60 {
        let mut deliveries = Vec::new();
        for _ in 0..500 {
            deliveries.push(next(&mut consumer).await);
        }
        futures::future::join_all(deliveries.into_iter().map(Delivery::ack)).await;
    }
    let waited = tokio::time::timeout(PATIENCE, async {
        // The size changes with a checkpoint, and checkpoints come with writes.
        while fs::metadata(&path).unwrap().len() > 8 << 20 {
            queue.publish(&message(1)).await.unwrap();
            next(&mut consumer).await.ack().await.unwrap();
        }
    });
    waited.await.expect("the file shrinks");
}
