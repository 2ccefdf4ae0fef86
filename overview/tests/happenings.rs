//! What happens to callers, as it happens, over a queue in memory.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use overview::{Happening, Happenings};
use queue::memory::{Broker, MemoryQueue};
use queue::{Cause, Lane, Options, Publish, Queue, Reason};
use requests::message;

#[allow(dead_code, reason = "for the queue's own tests")]
#[path = "../../queue/tests/conformance/requests.rs"]
mod requests;

fn queue() -> Arc<MemoryQueue> {
    Arc::new(Broker::default().open("here", Options::default()))
}

/// Whatever is on the queue dies.
async fn die(queue: &MemoryQueue, count: u32) {
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    for _ in 0..count {
        let cause = Cause {
            reason: Reason::Refused,
            attempts: 1,
            last_error: None,
        };
        let delivery = consumer.next().await.unwrap();
        delivery.dead_letter(&cause).await.unwrap();
    }
}

async fn dies(queue: &MemoryQueue, number: u32) {
    queue.publish(&message(number)).await.unwrap();
    die(queue, 1).await;
}

/// The letter that is told next, if one is within so many seconds.
async fn told(happenings: &mut Happenings, seconds: u64) -> Option<String> {
    let next = tokio::time::timeout(Duration::from_secs(seconds), happenings.next());
    match next.await.ok()?.unwrap() {
        Happening::DeadLetter(letter) => Some(letter.id),
        other => panic!("{other:?}"),
    }
}

fn id(number: u32) -> Option<String> {
    Some(message(number).content.id())
}

#[tokio::test(start_paused = true)]
async fn each_letter_is_told_once_and_those_from_before_are_not() {
    let queue = queue();
    dies(&queue, 0).await;
    let mut happenings = Happenings::open(queue.clone(), Duration::ZERO)
        .await
        .unwrap();
    dies(&queue, 1).await;
    dies(&queue, 2).await;
    assert_eq!(told(&mut happenings, 5).await, id(1));
    assert_eq!(told(&mut happenings, 5).await, id(2));
    assert_eq!(told(&mut happenings, 300).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_replayed_and_dies_again_between_two_counts_is_told_again() {
    let queue = queue();
    let mut happenings = Happenings::open(queue.clone(), Duration::ZERO)
        .await
        .unwrap();
    dies(&queue, 1).await;
    assert_eq!(told(&mut happenings, 5).await, id(1));
    queue::DeadLetters::replay(&*queue, &queue::Filter::default())
        .await
        .unwrap();
    die(&queue, 1).await;
    assert_eq!(told(&mut happenings, 120).await, id(1));
    assert_eq!(told(&mut happenings, 300).await, None);
}

#[tokio::test(start_paused = true)]
async fn however_many_lie_there_the_next_one_is_told() {
    const MANY: u32 = 1001;
    let queue = queue();
    let mut happenings = Happenings::open(queue.clone(), Duration::ZERO)
        .await
        .unwrap();
    for number in 0..MANY {
        queue.publish(&message(number)).await.unwrap();
    }
    die(&queue, MANY).await;
    for number in 0..MANY {
        assert_eq!(told(&mut happenings, 5).await, id(number));
    }
    dies(&queue, MANY).await;
    assert_eq!(told(&mut happenings, 5).await, id(MANY));
}
