//! What is told to those who listen.

use std::sync::Arc;
use std::time::Duration;

use queue::{Content, History, Queue};

use super::{Harness, PATIENCE, message, options, outcome, redirected};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// What is told of the caller with this number.
pub fn story(number: u32) -> Content {
    match number % 2 {
        0 => redirected(number),
        _ => outcome(number),
    }
}

pub async fn tell(queue: &Arc<dyn Queue>, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        queue.tell(&story(number)).await;
    }
}

pub async fn history(queue: &Arc<dyn Queue>) -> Box<dyn History> {
    queue.history(HOUR).await.unwrap()
}

/// Reads exactly what was told of these.
pub async fn reads(history: &mut Box<dyn History>, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        let read = tokio::time::timeout(PATIENCE, history.next()).await;
        let read = read.unwrap_or_else(|_| panic!("{number} is not told"));
        assert_eq!(read.unwrap(), story(number));
    }
}

pub async fn many_redirects_are_told_at_once(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let all = (0..100).map(|number| match redirected(number) {
        Content::Redirected(one) => one,
        _ => Vec::new(),
    });
    let all: Vec<_> = all.flatten().collect();
    queue.tell(&Content::Redirected(all.clone())).await;
    let mut history = history(&queue).await;
    let mut read = Vec::new();
    while read.len() < all.len() {
        let next = tokio::time::timeout(PATIENCE, history.next()).await;
        match next.unwrap().unwrap() {
            Content::Redirected(some) => read.extend(some),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(read, all);
}

async fn reads_nothing_more(history: &mut Box<dyn History>) {
    let more = tokio::time::timeout(Duration::from_millis(400), history.next()).await;
    assert!(more.is_err(), "{more:?}");
}

pub async fn everybody_is_told_the_past_and_then_what_follows(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let mut early = history(&queue).await;
    tell(&queue, 0..300).await;
    reads(&mut early, 0..300).await;
    let elsewhere = harness.open(options()).await;
    let mut late = [history(&elsewhere).await, history(&queue).await];
    for late in &mut late {
        reads(late, 0..300).await;
    }
    tell(&elsewhere, 300..310).await;
    for reader in late.iter_mut().chain([&mut early]) {
        reads(reader, 300..310).await;
        reads_nothing_more(reader).await;
    }
}

pub async fn what_was_told_outlives_a_restart(harness: impl Harness) {
    let queue = harness.open(options()).await;
    tell(&queue, 0..50).await;
    queue.close().await;
    drop(queue);
    let queue = harness.open(options()).await;
    let mut history = history(&queue).await;
    reads(&mut history, 0..50).await;
    reads_nothing_more(&mut history).await;
}

pub async fn waiting_for_what_is_told_can_be_given_up_without_missing_any(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let mut history = history(&queue).await;
    let telling = {
        let queue = queue.clone();
        tokio::spawn(async move {
            for number in 0..200 {
                tell(&queue, [number]).await;
                tokio::task::yield_now().await;
            }
        })
    };
    let mut number = 0;
    let all = async {
        while number < 200 {
            let pause = Duration::from_micros(u64::from(number) * 7 % 500);
            tokio::select! {
                told = history.next() => {
                    assert_eq!(told.unwrap(), story(number));
                    number += 1;
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
    telling.await.unwrap();
}

pub async fn requests_and_notifications_are_told_to_nobody(harness: impl Harness) {
    let queue = harness.open(options()).await;
    queue.tell(&message(7).content).await;
    if let Content::Outcome(outcome) = outcome(7) {
        queue.tell(&Content::Notify(outcome)).await;
    }
    tell(&queue, [1]).await;
    let mut history = history(&queue).await;
    reads(&mut history, [1]).await;
}

pub async fn a_closed_queue_tells_nothing_and_does_not_hang(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let mut history = history(&queue).await;
    queue.close().await;
    tell(&queue, [1]).await;
    let ended = tokio::time::timeout(PATIENCE, history.next()).await;
    assert!(ended.unwrap().is_err());
}
