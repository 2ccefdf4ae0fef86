//! From the publisher to the consumer, and back to the queue when the consumer fails.

use queue::{Lane, Options, RawMessage, TraceParent};

use super::{
    Harness, ack, become_empty, foreign, message, next, nothing_comes, number, options, publish,
    take, vanish,
};

pub async fn a_published_message_is_delivered_and_gone_after_the_ack(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    publish(&queue, [1]).await;

    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.message, message(1).encode());
    assert!(!delivery.redelivered);
    assert_eq!(delivery.delivery_count, 0);
    assert!(!delivery.is_lost());
    delivery.ack().await.unwrap();

    become_empty(&queue).await;
    nothing_comes(&mut consumer).await;
}

pub async fn a_consumer_that_comes_later_gets_what_waits(harness: impl Harness) {
    let queue = harness.open(options()).await;
    publish(&queue, 0..3).await;
    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    assert_eq!(take(&mut consumer, 3).await, [0, 1, 2]);
}

pub async fn first_in_is_first_out(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let mut consumer = queue.consume(Lane::Redirects, 7).await.unwrap();
    publish(&queue, 0..50).await;
    let in_order: Vec<u32> = (0..50).collect();
    assert_eq!(take(&mut consumer, 50).await, in_order);
}

pub async fn the_trace_goes_with_the_message(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let trace = TraceParent::new(0xabc, 0xdef, true);
    let mut traced = message(1);
    traced.traceparent = Some(trace.clone());
    queue.publish(&traced).await.unwrap();

    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.message.traceparent, Some(trace.clone()));
    delivery.release().await.unwrap();
    let again = next(&mut consumer).await;
    assert_eq!(again.message.traceparent, Some(trace));
}

pub async fn a_released_message_comes_again_flagged_in_its_place(harness: impl Harness) {
    let queue = harness.open(options()).await;
    publish(&queue, 0..3).await;
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    for count in 0..3 {
        let delivery = next(&mut consumer).await;
        assert_eq!(number(&delivery), 0);
        assert_eq!(delivery.redelivered, count > 0);
        delivery.release().await.unwrap();
    }
    assert_eq!(take(&mut consumer, 3).await, [0, 1, 2]);
}

fn counts<H: Harness>(_: &H) -> u32 {
    u32::from(H::releases_count())
}

pub async fn a_release_counts_only_where_the_backend_cannot_tell(harness: impl Harness) {
    let queue = harness.open(options()).await;
    publish(&queue, [1]).await;
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    for release in 0..3 {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.delivery_count, release * counts(&harness));
        delivery.release().await.unwrap();
    }
    // A consumer that dies counts everywhere.
    drop(next(&mut consumer).await);
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.delivery_count, 3 * counts(&harness) + 1);
    ack(delivery).await;
    become_empty(&queue).await;
}

pub async fn a_dropped_delivery_comes_again(harness: impl Harness) {
    let queue = harness.open(options()).await;
    publish(&queue, [1]).await;
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    drop(next(&mut consumer).await);

    let delivery = next(&mut consumer).await;
    assert!(delivery.redelivered);
    ack(delivery).await;
    become_empty(&queue).await;
}

/// An ack that was cut short either happened or did not.
pub async fn an_ack_that_is_dropped_leaves_the_message_done_or_released(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    for number in 0..20 {
        publish(&queue, [number]).await;
        let delivery = next(&mut consumer).await;
        let mut ack = Box::pin(delivery.ack());
        if number % 2 == 0 {
            let _ = futures::poll!(&mut ack);
        }
        drop(ack);
        // With a prefetch of one, the next comes only if this one was settled somehow.
        publish(&queue, [100 + number]).await;
        loop {
            let delivery = next(&mut consumer).await;
            let seen = super::number(&delivery);
            super::ack(delivery).await;
            if seen == 100 + number {
                break;
            }
        }
    }
    become_empty(&queue).await;
}

pub async fn waiting_for_a_delivery_can_be_given_up_without_losing_one(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let mut consumer = queue.consume(Lane::Redirects, 2).await.unwrap();
    let mut publisher = tokio::spawn({
        let queue = queue.clone();
        async move { publish(&queue, 0..200).await }
    });
    // Each wait is dropped unless there is something at once.
    let mut seen = Vec::new();
    while seen.len() < 200 {
        let waited = futures::poll!(std::pin::pin!(consumer.next()));
        match waited {
            std::task::Poll::Ready(delivery) => {
                let delivery = delivery.unwrap();
                assert!(!delivery.redelivered);
                seen.push(number(&delivery));
                ack(delivery).await;
            }
            std::task::Poll::Pending => tokio::task::yield_now().await,
        }
    }
    (&mut publisher).await.unwrap();
    assert_eq!(seen, (0..200).collect::<Vec<_>>());
}

pub async fn the_prefetch_bounds_what_is_out(harness: impl Harness) {
    let queue = harness.open(options()).await;
    publish(&queue, 0..4).await;
    let mut consumer = queue.consume(Lane::Redirects, 2).await.unwrap();
    let first = next(&mut consumer).await;
    let second = next(&mut consumer).await;
    nothing_comes(&mut consumer).await;

    ack(first).await;
    let third = next(&mut consumer).await;
    assert_eq!((number(&second), number(&third)), (1, 2));
    nothing_comes(&mut consumer).await;
    ack(second).await;
    ack(third).await;
    assert_eq!(take(&mut consumer, 1).await, [3]);
}

pub async fn consumers_share_and_none_gets_what_another_has<H: Harness>(harness: H) {
    let here = harness.open(options()).await;
    let other_process = harness.open(options()).await;
    let elsewhere = match H::PROCESSES_SHARE {
        true => &other_process,
        false => &here,
    };
    let mut consumers = [
        here.consume(Lane::Redirects, 1).await.unwrap(),
        here.consume(Lane::Redirects, 1).await.unwrap(),
        elsewhere.consume(Lane::Redirects, 1).await.unwrap(),
    ];
    publish(&here, 0..3).await;

    let mut held = Vec::new();
    for consumer in &mut consumers {
        held.push(next(consumer).await);
    }
    let mut numbers: Vec<u32> = held.iter().map(number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2]);
    for delivery in held {
        assert!(!delivery.redelivered);
        ack(delivery).await;
    }
    become_empty(&here).await;
}

pub async fn a_consumer_can_come_and_go_at_any_time(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let elsewhere = harness.open(options()).await;
    let mut seen = Vec::new();
    for round in 0..4 {
        publish(&queue, round * 10..(round + 1) * 10).await;
        let home = if round % 2 == 0 { &queue } else { &elsewhere };
        // It never looks at most of what it was sent ahead.
        let mut consumer = home.consume(Lane::Redirects, 20).await.unwrap();
        seen.extend(take(&mut consumer, 5).await);
    }
    let mut consumer = queue.consume(Lane::Redirects, 20).await.unwrap();
    seen.extend(take(&mut consumer, 20).await);
    seen.sort_unstable();
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
    become_empty(&queue).await;
}

pub async fn a_stopped_consumer_takes_no_more_but_keeps_what_it_has(harness: impl Harness) {
    let queue = harness.open(options()).await;
    publish(&queue, 0..3).await;
    let mut stopped = queue.consume(Lane::Redirects, 2).await.unwrap();
    let held = next(&mut stopped).await;
    stopped.stop().await;

    let mut other = queue.consume(Lane::Redirects, 10).await.unwrap();
    let mut rest = take(&mut other, 2).await;
    rest.sort_unstable();
    assert_eq!(rest, [1, 2]);
    assert!(!held.is_lost());
    ack(held).await;
    become_empty(&queue).await;
}

pub async fn a_process_that_leaves_gives_its_deliveries_back(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let leaving = harness.open(options()).await;
    publish(&queue, 0..2).await;
    let mut consumer = leaving.consume(Lane::Redirects, 10).await.unwrap();
    let held = next(&mut consumer).await;
    leaving.close().await;

    assert!(held.is_lost());
    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    let again = next(&mut consumer).await;
    assert_eq!((number(&again), again.delivery_count), (0, 1));
    assert!(again.redelivered);
    // The late ack is refused, and doesn't touch what somebody else has now.
    assert!(held.ack().await.is_err());
    assert!(!again.is_lost());
    ack(again).await;
    assert_eq!(take(&mut consumer, 1).await, [1]);
    become_empty(&queue).await;
}

pub async fn a_handle_that_is_dropped_with_all_it_has_gives_its_deliveries_back(
    harness: impl Harness,
) {
    let queue = harness.open(options()).await;
    let dropped = harness.open(options()).await;
    publish(&queue, 0..10).await;
    let mut consumer = dropped.consume(Lane::Redirects, 10).await.unwrap();
    let held = (next(&mut consumer).await, next(&mut consumer).await);
    drop((dropped, consumer, held));

    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    let mut seen = take(&mut consumer, 10).await;
    seen.sort_unstable();
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
    become_empty(&queue).await;
}

pub async fn a_message_that_kills_its_consumers_becomes_a_dead_letter_by_itself(
    harness: impl Harness,
) {
    let options = || Options {
        delivery_limit: 2,
        ..options()
    };
    let queue = harness.open(options()).await;
    publish(&queue, [1]).await;
    for count in 0..=2 {
        let victim = harness.open(options()).await;
        let mut consumer = victim.consume(Lane::Redirects, 1).await.unwrap();
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.delivery_count, count);
        vanish(victim, consumer, delivery).await;
    }

    let letters = super::dead_letters_become(&queue, 1).await;
    assert_eq!(letters[0].cause.reason, queue::Reason::DeliveryLimit);
    assert_eq!(letters[0].message, message(1).encode());
    become_empty(&queue).await;
}

pub async fn a_message_that_is_dropped_again_and_again_becomes_a_dead_letter_by_itself(
    harness: impl Harness,
) {
    let queue = harness
        .open(Options {
            delivery_limit: 3,
            ..options()
        })
        .await;
    publish(&queue, [1]).await;
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    for _ in 0..=3 {
        drop(next(&mut consumer).await);
    }
    let letters = super::dead_letters_become(&queue, 1).await;
    assert_eq!(letters[0].cause.reason, queue::Reason::DeliveryLimit);
    nothing_comes(&mut consumer).await;
}

pub async fn a_message_over_which_a_consumer_panicked_comes_last_and_says_so(
    harness: impl Harness,
) {
    let queue = harness.open(options()).await;
    let mut traced = message(0);
    traced.traceparent = Some(TraceParent::new(0xabc, 0xdef, true));
    queue.publish(&traced).await.unwrap();
    publish(&queue, 1..3).await;
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.message.panics, 0);
    delivery.panicked().await.unwrap();

    assert_eq!(take(&mut consumer, 2).await, [1, 2]);
    let again = next(&mut consumer).await;
    let expected = RawMessage {
        panics: 1,
        ..traced.encode()
    };
    assert_eq!(again.message, expected);
    ack(again).await;
    become_empty(&queue).await;
    nothing_comes(&mut consumer).await;
}

pub async fn panics_are_counted_by_the_message_and_not_by_its_deliveries(harness: impl Harness) {
    let options = || Options {
        delivery_limit: 2,
        ..options()
    };
    let queue = harness.open(options()).await;
    publish(&queue, [1]).await;
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    // More often than it may be delivered, and once a consumer dies in between.
    for panics in 0..5 {
        let delivery = next(&mut consumer).await;
        assert_eq!(
            (delivery.message.panics, delivery.delivery_count),
            (panics, 0)
        );
        assert!(!delivery.redelivered);
        drop(delivery);
        let delivery = next(&mut consumer).await;
        assert_eq!(
            (delivery.message.panics, delivery.delivery_count),
            (panics, 1)
        );
        delivery.panicked().await.unwrap();
    }
    let cause = queue::Cause {
        reason: queue::Reason::Panicked,
        attempts: 0,
        last_error: None,
    };
    next(&mut consumer).await.dead_letter(&cause).await.unwrap();
    let letters = super::dead_letters_become(&queue, 1).await;
    assert_eq!(letters[0].cause, cause);
    assert_eq!(letters[0].message.panics, 5);

    // After a replay it is counted from zero.
    queue.replay(&queue::Filter::default()).await.unwrap();
    assert_eq!(next(&mut consumer).await.message.panics, 0);
}

pub async fn a_lost_delivery_is_not_published_again(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let leaving = harness.open(options()).await;
    publish(&queue, [1]).await;
    let mut consumer = leaving.consume(Lane::Redirects, 1).await.unwrap();
    let held = next(&mut consumer).await;
    leaving.close().await;
    assert!(held.panicked().await.is_err());

    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.message.panics, 0);
    ack(delivery).await;
    nothing_comes(&mut consumer).await;
}

pub async fn what_cannot_be_understood_is_delivered_as_it_is(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let mut nameless = foreign("unused");
    nameless.id = None;
    nameless.kind = None;
    let mut pretender = foreign("pretender");
    pretender.kind = Some(queue::REDIRECT_V1.to_owned());
    let mut empty = foreign("empty");
    empty.body.clear();

    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    for strange in [foreign("later-version"), nameless, pretender, empty] {
        harness.put(strange.clone()).await;
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.message, strange);
        assert!(delivery.message.request().is_err());
        ack(delivery).await;
    }
}
