//! What a publisher is promised.

use std::collections::BTreeSet;

use futures::future::join_all;
use queue::{Health, Lane, Options, QueueError};
use tokio::sync::mpsc;

use super::{Harness, ack, become_empty, message, next, number, options, publish, take};

pub async fn two_thousand_publishes_at_once_reach_three_consumers_once_each(harness: impl Harness) {
    const COUNT: u32 = 2000;
    let queue = harness.open(options()).await;
    let elsewhere = harness.open(options()).await;
    let (seen_by, mut seen) = mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for home in [&queue, &queue, &elsewhere] {
        let mut consumer = home.consume(Lane::Redirects, 50).await.unwrap();
        let seen_by = seen_by.clone();
        tasks.push(tokio::spawn(async move {
            loop {
                let delivery = next(&mut consumer).await;
                assert!(!delivery.redelivered);
                let number = number(&delivery);
                ack(delivery).await;
                if seen_by.send(number).is_err() {
                    return;
                }
            }
        }));
    }
    let publishes = (0..COUNT).map(|number| {
        let queue = queue.clone();
        tokio::spawn(async move { queue.publish(&message(number)).await })
    });
    for published in join_all(publishes).await {
        published.unwrap().unwrap();
    }

    let mut numbers = BTreeSet::new();
    for _ in 0..COUNT {
        let number = seen.recv().await.unwrap();
        assert!(numbers.insert(number), "{number} was delivered twice");
    }
    assert!(numbers.into_iter().eq(0..COUNT));
    become_empty(&queue).await;
    assert!(seen.try_recv().is_err());
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

pub async fn publishes_that_are_given_up_leave_the_queue_usable(harness: impl Harness) {
    let queue = harness.open(options()).await;
    for number in 0..50 {
        let (doomed, message) = (queue.clone(), message(number));
        let mut publish = Box::pin(async move { doomed.publish(&message).await });
        for _ in 0..number % 4 {
            if futures::poll!(&mut publish).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    publish(&queue, 1000..1010).await;

    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    let mut seen = BTreeSet::new();
    while !(1000..1010).all(|number| seen.contains(&number)) {
        let delivery = next(&mut consumer).await;
        assert!(seen.insert(number(&delivery)), "published twice");
        ack(delivery).await;
    }
}

pub async fn what_was_published_is_there_after_a_restart(harness: impl Harness) {
    let queue = harness.open(options()).await;
    publish(&queue, 0..20).await;
    let mut consumer = queue.consume(Lane::Redirects, 5).await.unwrap();
    assert_eq!(take(&mut consumer, 3).await, [0, 1, 2]);
    drop(consumer);
    queue.close().await;
    drop(queue);

    let queue = harness.open(options()).await;
    let mut consumer = queue.consume(Lane::Redirects, 50).await.unwrap();
    let mut rest = take(&mut consumer, 17).await;
    rest.sort_unstable();
    assert_eq!(rest, (3..20).collect::<Vec<_>>());
    become_empty(&queue).await;
}

pub async fn a_full_queue_refuses_and_takes_again_once_there_is_room(harness: impl Harness) {
    let queue = harness
        .open(Options {
            max_length: Some(5),
            ..options()
        })
        .await;
    publish(&queue, 0..5).await;
    // A broker may notice a little late; the queue must not grow without end.
    let mut accepted = 5;
    let refused = loop {
        match queue.publish(&message(accepted)).await {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 20, "the limit is not kept");
    };
    assert!(matches!(refused, QueueError::Refused(_)), "{refused}");
    assert_eq!(queue.health(), Health::Up);

    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    let expected: Vec<u32> = (0..accepted).collect();
    assert_eq!(take(&mut consumer, accepted).await, expected);
    become_empty(&queue).await;
    publish(&queue, [99]).await;
    assert_eq!(take(&mut consumer, 1).await, [99]);
}

pub async fn a_closed_queue_says_so_and_does_not_hang(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    assert_eq!(queue.health(), Health::Up);
    queue.close().await;
    queue.close().await;

    let refused = queue.publish(&message(1)).await.unwrap_err();
    assert!(matches!(refused, QueueError::Unavailable(_)), "{refused}");
    let ended = tokio::time::timeout(super::PATIENCE, consumer.next()).await;
    assert!(ended.unwrap().is_err());
    assert!(queue.stats().await.is_err());
    assert!(queue.try_lock("sweep").await.is_err());
    assert_ne!(queue.health(), Health::Up);
}
