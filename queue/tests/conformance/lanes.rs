//! What waits in one lane, and what waits in the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use queue::{
    Cause, Consumer, Content, Delivery, Filter, Lane, Message, Options, Queue, QueueError, Reason,
};

use super::{
    Harness, PATIENCE, ack, dead_letters_become, message, next, nothing_comes, number, options,
    outcome, publish, redirected, stats_become, take, vanish,
};

async fn put(queue: &Arc<dyn Queue>, contents: impl IntoIterator<Item = Content>) {
    for content in contents {
        queue.publish(&Message::from(content)).await.unwrap();
    }
}

fn said(delivery: &Delivery) -> Content {
    delivery.message.content().unwrap()
}

fn notify(number: u32) -> Content {
    match outcome(number) {
        Content::Outcome(outcome) => Content::Notify(outcome),
        other => other,
    }
}

/// Takes and acknowledges exactly these, in this order.
async fn takes(consumer: &mut Box<dyn Consumer>, expected: impl IntoIterator<Item = Content>) {
    for expected in expected {
        let delivery = next(consumer).await;
        assert_eq!(said(&delivery), expected);
        ack(delivery).await;
    }
}

pub async fn what_waits_in_one_lane_does_not_hold_up_another(harness: impl Harness) {
    let queue = harness.open(options()).await;
    put(&queue, (0..50).map(outcome)).await;
    put(&queue, (0..50).map(notify)).await;
    publish(&queue, 0..50).await;
    let mut outcomes = queue.consume(Lane::Outcomes, 1).await.unwrap();
    let held = next(&mut outcomes).await;
    let mut redirects = queue.consume(Lane::Redirects, 1).await.unwrap();
    assert!(take(&mut redirects, 50).await.into_iter().eq(0..50));
    publish(&queue, [50]).await;
    assert_eq!(take(&mut redirects, 1).await, [50]);
    nothing_comes(&mut redirects).await;

    assert_eq!(said(&held), outcome(0));
    ack(held).await;
    takes(&mut outcomes, (1..50).map(outcome)).await;
    let mut notifications = queue.consume(Lane::Notifications, 10).await.unwrap();
    takes(&mut notifications, (0..50).map(notify)).await;
    nothing_comes(&mut outcomes).await;
}

pub async fn a_lane_is_full_by_itself(harness: impl Harness) {
    let queue = harness
        .open(Options {
            max_length: Some(5),
            ..options()
        })
        .await;
    let mut accepted = 0;
    let refused = loop {
        match queue.publish(&outcome(accepted).into()).await {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 20, "the limit is not kept");
    };
    assert!(matches!(refused, QueueError::Refused(_)), "{refused}");
    // An outcome is held until these are there, however many they are.
    put(&queue, (0..20).map(redirected)).await;
    put(&queue, (0..20).map(notify)).await;
    publish(&queue, 0..5).await;
}

/// Requests and dead letters are what an operator looks at.
pub async fn the_figures_are_about_requests(harness: impl Harness) {
    let queue = harness.open(options()).await;
    put(&queue, (0..7).map(outcome)).await;
    put(&queue, (0..7).map(redirected)).await;
    publish(&queue, 0..3).await;
    let mut outcomes = queue.consume(Lane::Outcomes, 2).await.unwrap();
    let _held = [next(&mut outcomes).await, next(&mut outcomes).await];
    stats_become(&queue, "3 requests", |stats| {
        stats.ready == 3 && stats.unacked.unwrap_or_default() == 0
    })
    .await;
}

pub async fn outcomes_go_to_one_process_at_a_time_and_to_the_next_when_it_dies(
    harness: impl Harness,
) {
    let first = harness.open(options()).await;
    let second = harness.open(options()).await;
    put(&first, [outcome(0)]).await;
    let mut working = first.consume(Lane::Outcomes, 10).await.unwrap();
    takes(&mut working, [outcome(0)]).await;
    let mut waiting = second.consume(Lane::Outcomes, 10).await.unwrap();
    nothing_comes(&mut waiting).await;
    put(&second, (1..20).map(outcome)).await;
    takes(&mut working, (1..19).map(outcome)).await;
    let held = next(&mut working).await;
    nothing_comes(&mut waiting).await;

    vanish(first, working, held).await;
    let again = next(&mut waiting).await;
    assert_eq!(said(&again), outcome(19));
    assert!(again.redelivered);
    ack(again).await;
    put(&second, [outcome(20)]).await;
    takes(&mut waiting, [outcome(20)]).await;
}

pub async fn outcomes_go_to_one_consumer_of_a_process_at_a_time(harness: impl Harness) {
    let queue = harness.open(options()).await;
    put(&queue, [outcome(0)]).await;
    let mut working = queue.consume(Lane::Outcomes, 1).await.unwrap();
    let held = next(&mut working).await;
    let mut waiting = queue.consume(Lane::Outcomes, 1).await.unwrap();
    nothing_comes(&mut waiting).await;
    put(&queue, [outcome(1)]).await;
    nothing_comes(&mut waiting).await;
    ack(held).await;
    takes(&mut working, [outcome(1)]).await;
    drop(working);
    put(&queue, [outcome(2)]).await;
    takes(&mut waiting, [outcome(2)]).await;
}

const LATER: Duration = Duration::from_secs(2);

fn soon() -> Options {
    Options {
        later: LATER,
        ..options()
    }
}

pub async fn what_is_for_later_comes_later_among_the_outcomes(harness: impl Harness) {
    let queue = harness.open(soon()).await;
    let mut outcomes = queue.consume(Lane::Outcomes, 10).await.unwrap();
    let published = Instant::now();
    put(&queue, (0..100).map(redirected)).await;
    put(&queue, [outcome(0)]).await;
    takes(&mut outcomes, [outcome(0)]).await;
    let first = next(&mut outcomes).await;
    // Clocks count in milliseconds.
    let waited = published.elapsed() + Duration::from_millis(5);
    assert!(waited >= LATER, "it came after {waited:?}");
    assert_eq!(said(&first), redirected(0));
    assert!(!first.redelivered);
    ack(first).await;
    takes(&mut outcomes, (1..100).map(redirected)).await;
    nothing_comes(&mut outcomes).await;
}

pub async fn what_is_for_later_outlives_a_restart(harness: impl Harness) {
    let queue = harness.open(soon()).await;
    put(&queue, (0..10).map(redirected)).await;
    queue.close().await;
    drop(queue);

    let queue = harness.open(soon()).await;
    let mut outcomes = queue.consume(Lane::Outcomes, 10).await.unwrap();
    takes(&mut outcomes, (0..10).map(redirected)).await;
    nothing_comes(&mut outcomes).await;
}

pub async fn a_consumer_that_panicked_over_it_leaves_it_in_its_lane(harness: impl Harness) {
    let queue = harness.open(soon()).await;
    let mut outcomes = queue.consume(Lane::Outcomes, 10).await.unwrap();
    let mut notifications = queue.consume(Lane::Notifications, 10).await.unwrap();
    put(&queue, [outcome(0), notify(0), redirected(0)]).await;
    for (consumer, count) in [(&mut outcomes, 2), (&mut notifications, 1)] {
        for _ in 0..count {
            let delivery = next(consumer).await;
            let content = said(&delivery);
            delivery.panicked().await.unwrap();
            let again = next(consumer).await;
            assert_eq!((said(&again), again.message.panics), (content, 1));
            ack(again).await;
        }
    }
}

pub async fn what_came_later_and_kills_its_consumers_becomes_a_dead_letter(harness: impl Harness) {
    let queue = harness
        .open(Options {
            delivery_limit: 2,
            ..soon()
        })
        .await;
    put(&queue, [redirected(0)]).await;
    let mut outcomes = queue.consume(Lane::Outcomes, 1).await.unwrap();
    for _ in 0..3 {
        drop(next(&mut outcomes).await);
    }
    // Of that, and not of age.
    let letters = dead_letters_become(&queue, 1).await;
    assert_eq!(letters[0].cause.reason, Reason::DeliveryLimit);
    queue.replay(&Filter::default()).await.unwrap();
    takes(&mut outcomes, [redirected(0)]).await;
}

pub async fn a_dead_letter_returns_to_its_lane(harness: impl Harness) {
    let queue = harness.open(soon()).await;
    let mut outcomes = queue.consume(Lane::Outcomes, 10).await.unwrap();
    let mut notifications = queue.consume(Lane::Notifications, 10).await.unwrap();
    let mut redirects = queue.consume(Lane::Redirects, 10).await.unwrap();
    put(&queue, [outcome(0), notify(1), redirected(2)]).await;
    queue.publish(&message(3)).await.unwrap();
    let cause = Cause {
        reason: Reason::Refused,
        attempts: 1,
        last_error: None,
    };
    for (consumer, count) in [
        (&mut outcomes, 2),
        (&mut notifications, 1),
        (&mut redirects, 1),
    ] {
        for _ in 0..count {
            next(consumer).await.dead_letter(&cause).await.unwrap();
        }
    }
    assert_eq!(dead_letters_become(&queue, 4).await.len(), 4);

    let replayed = queue.replay(&Filter::default()).await.unwrap();
    assert_eq!(replayed.len(), 4);
    // What has waited until later has waited.
    takes(&mut outcomes, [outcome(0), redirected(2)]).await;
    takes(&mut notifications, [notify(1)]).await;
    let request = tokio::time::timeout(PATIENCE, redirects.next()).await;
    assert_eq!(number(&request.unwrap().unwrap()), 3);
}
