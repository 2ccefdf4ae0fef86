//! What processes say of themselves while somebody watches.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use queue::{Queue, Watch};

use super::{Harness, PATIENCE, options};

/// Longer than from one report to the next.
const PAUSE: Duration = Duration::from_millis(2500);

/// Has the process say this, and counts how often it is asked.
fn say(queue: &Arc<dyn Queue>, what: &'static str) -> Arc<AtomicU32> {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    queue.report(Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
        what.into()
    }));
    asked
}

async fn watch(queue: &Arc<dyn Queue>) -> Box<dyn Watch> {
    tokio::time::timeout(PATIENCE, queue.watch())
        .await
        .unwrap()
        .unwrap()
}

/// Listens until each of these was said.
async fn hears(watch: &mut Box<dyn Watch>, expected: &[&str]) {
    let mut missing: BTreeSet<&str> = expected.iter().copied().collect();
    while !missing.is_empty() {
        let said = tokio::time::timeout(PATIENCE, watch.next()).await;
        let said = said.unwrap_or_else(|_| panic!("never heard: {missing:?}"));
        let said = String::from_utf8(said.unwrap()).unwrap();
        missing.remove(said.as_str());
    }
}

pub async fn every_watcher_hears_every_process_again_and_again(harness: impl Harness) {
    let (one, two) = (harness.open(options()).await, harness.open(options()).await);
    say(&one, "one");
    say(&two, "two");
    let mut here = watch(&one).await;
    hears(&mut here, &["one", "two"]).await;
    let elsewhere = harness.open(options()).await;
    let mut elsewhere = watch(&elsewhere).await;
    for _ in 0..2 {
        hears(&mut elsewhere, &["one", "two"]).await;
        hears(&mut here, &["one", "two"]).await;
    }
    // Whoever comes while they are watched is heard, too.
    let three = harness.open(options()).await;
    say(&three, "three");
    hears(&mut here, &["three"]).await;
}

pub async fn a_process_is_asked_only_while_somebody_watches(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let asked = say(&queue, "one");
    tokio::time::sleep(PAUSE).await;
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    let watcher = harness.open(options()).await;
    let mut watching = watch(&watcher).await;
    hears(&mut watching, &["one"]).await;
    drop(watching);
    let is_left_alone = async {
        let mut before = 0;
        loop {
            tokio::time::sleep(PAUSE).await;
            let now = asked.load(Ordering::Relaxed);
            if now == before {
                return;
            }
            before = now;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, is_left_alone).await;
    assert!(waited.is_ok(), "it is asked for ever");
    // And again.
    let mut watching = watch(&watcher).await;
    hears(&mut watching, &["one"]).await;
}

pub async fn a_process_that_leaves_says_a_last_word(harness: impl Harness) {
    let (queue, watcher) = (harness.open(options()).await, harness.open(options()).await);
    let is_leaving = Arc::new(AtomicU32::new(0));
    let leaving = Arc::clone(&is_leaving);
    queue.report(Arc::new(move || {
        match leaving.load(Ordering::Relaxed) {
            0 => "here",
            _ => "leaving",
        }
        .into()
    }));
    let mut watching = watch(&watcher).await;
    hears(&mut watching, &["here"]).await;
    is_leaving.store(1, Ordering::Relaxed);
    queue.close().await;
    hears(&mut watching, &["leaving"]).await;
}

pub async fn waiting_for_a_report_can_be_given_up(harness: impl Harness) {
    let queue = harness.open(options()).await;
    say(&queue, "one");
    let mut watching = watch(&queue).await;
    for pause in [0, 1, 10, 100] {
        let pause = Duration::from_millis(pause);
        let _ = tokio::time::timeout(pause, watching.next()).await;
    }
    hears(&mut watching, &["one"]).await;
}

pub async fn a_closed_queue_says_nothing_and_hears_nothing(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let mut watching = watch(&queue).await;
    queue.close().await;
    say(&queue, "one");
    let ended = tokio::time::timeout(PATIENCE, watching.next()).await;
    assert!(ended.expect("no hang").is_err());
    assert!(queue.watch().await.is_err());
}
