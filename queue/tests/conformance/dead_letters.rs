//! What an operator can do with requests that could not be done.

use jiff::{SignedDuration, Timestamp};
use queue::{Cause, Content, DeadLetterId, Filter, Lane, Options, Reason, TraceParent};

use super::{
    Harness, ack, become_empty, dead_letters_become, foreign, list, message, next, number, options,
    publish, stats_become, take,
};

fn refused() -> Cause {
    Cause {
        reason: Reason::Refused,
        attempts: 3,
        last_error: Some("Twilio says 21220: call is not in-progress — „schade“".to_owned()),
    }
}

fn because(reason: Reason) -> Cause {
    Cause {
        reason,
        attempts: 0,
        last_error: None,
    }
}

fn of(id: &DeadLetterId) -> Filter {
    Filter {
        ids: vec![id.clone()],
        ..Filter::default()
    }
}

fn id(number: u32) -> DeadLetterId {
    DeadLetterId::of(&message(number).encode())
}

/// Publishes the requests made from `numbers`, and makes each a dead letter.
async fn make_dead(
    queue: &std::sync::Arc<dyn queue::Queue>,
    numbers: impl IntoIterator<Item = u32>,
    cause: &Cause,
) {
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    for number in numbers {
        publish(queue, [number]).await;
        next(&mut consumer).await.dead_letter(cause).await.unwrap();
    }
}

pub async fn a_dead_letter_keeps_the_message_and_the_cause(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let mut traced = message(1);
    traced.traceparent = Some(TraceParent::new(1, 2, false));
    queue.publish(&traced).await.unwrap();
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    let delivery = next(&mut consumer).await;
    let before = Timestamp::now();
    delivery.dead_letter(&refused()).await.unwrap();

    let letters = dead_letters_become(&queue, 1).await;
    assert_eq!(letters[0].id, DeadLetterId(traced.content.id()));
    assert_eq!(letters[0].message, traced.encode());
    assert_eq!(letters[0].message.content().unwrap(), traced.content);
    assert_eq!(letters[0].cause, refused());
    let after = letters[0].died_at.duration_since(before);
    assert!(after.abs() < SignedDuration::from_secs(60), "{after}");
    become_empty(&queue).await;
}

pub async fn listing_takes_nothing_and_goes_from_old_to_new(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let elsewhere = harness.open(options()).await;
    make_dead(&queue, 0..5, &refused()).await;
    dead_letters_become(&queue, 5).await;
    for operator in [&queue, &elsewhere, &queue] {
        let letters = list(operator, &Filter::default()).await;
        let ids: Vec<_> = letters.iter().map(|letter| letter.id.clone()).collect();
        assert_eq!(ids, (0..5).map(id).collect::<Vec<_>>());
    }
}

pub async fn dead_letters_are_chosen_by_id_reason_and_age(harness: impl Harness) {
    let queue = harness.open(options()).await;
    make_dead(&queue, [0], &refused()).await;
    make_dead(&queue, [1], &because(Reason::Expired)).await;
    make_dead(
        &queue,
        [2],
        &because(Reason::Other("of_tomorrow".to_owned())),
    )
    .await;
    dead_letters_become(&queue, 3).await;

    let hour_ago = Timestamp::now() - SignedDuration::from_hours(1);
    let filters = [
        (of(&id(1)), vec![1]),
        (of(&id(7)), vec![]),
        (
            Filter {
                ids: vec![id(0), id(2)],
                ..Filter::default()
            },
            vec![0, 2],
        ),
        (
            Filter {
                reason: Some(Reason::Refused),
                ..Filter::default()
            },
            vec![0],
        ),
        (
            Filter {
                reason: Some("of_tomorrow".into()),
                ..Filter::default()
            },
            vec![2],
        ),
        (
            Filter {
                died_by: Some(hour_ago),
                ..Filter::default()
            },
            vec![],
        ),
        (
            Filter {
                died_since: Some(hour_ago),
                reason: Some(Reason::Expired),
                ..Filter::default()
            },
            vec![1],
        ),
    ];
    for (filter, expected) in filters {
        let letters = list(&queue, &filter).await;
        let found: Vec<_> = letters.into_iter().map(|letter| letter.id).collect();
        let expected: Vec<_> = expected.into_iter().map(id).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

pub async fn a_replay_puts_the_request_back_and_marks_it(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let mut traced = message(1);
    traced.traceparent = Some(TraceParent::new(3, 4, true));
    queue.publish(&traced).await.unwrap();
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    next(&mut consumer)
        .await
        .dead_letter(&refused())
        .await
        .unwrap();
    dead_letters_become(&queue, 1).await;

    let before = Timestamp::now();
    assert_eq!(queue.replay(&of(&id(1))).await.unwrap(), [id(1)]);
    let delivery = next(&mut consumer).await;
    let mut request = delivery.message.request().unwrap();
    let requeued_at = request.requeued_at.take().unwrap();
    assert!(requeued_at >= before && requeued_at <= Timestamp::now());
    assert_eq!(Content::Redirect(request), traced.content);
    assert_eq!(delivery.message.traceparent, traced.traceparent);
    // It is counted from zero again.
    assert!(!delivery.redelivered);
    assert_eq!(delivery.delivery_count, 0);
    ack(delivery).await;
    dead_letters_become(&queue, 0).await;
    become_empty(&queue).await;
}

pub async fn a_replay_of_all_leaves_none_and_a_second_one_finds_none(harness: impl Harness) {
    const COUNT: u32 = 300;
    let queue = harness.open(options()).await;
    make_dead(&queue, 0..COUNT, &refused()).await;
    dead_letters_become(&queue, COUNT as usize).await;

    let replayed = queue.replay(&Filter::default()).await.unwrap();
    assert_eq!(replayed, (0..COUNT).map(id).collect::<Vec<_>>());
    assert!(queue.replay(&Filter::default()).await.unwrap().is_empty());
    dead_letters_become(&queue, 0).await;
    let mut consumer = queue.consume(Lane::Redirects, 50).await.unwrap();
    assert_eq!(
        take(&mut consumer, COUNT).await,
        (0..COUNT).collect::<Vec<_>>()
    );
    become_empty(&queue).await;
}

pub async fn a_replay_leaves_the_others_where_they_are(harness: impl Harness) {
    let queue = harness.open(options()).await;
    make_dead(&queue, [0, 2, 4], &because(Reason::Expired)).await;
    make_dead(&queue, [1, 3], &refused()).await;
    dead_letters_become(&queue, 5).await;

    let expired = Filter {
        reason: Some(Reason::Expired),
        ..Filter::default()
    };
    assert_eq!(queue.replay(&expired).await.unwrap(), [id(0), id(2), id(4)]);
    let left = dead_letters_become(&queue, 2).await;
    assert_eq!(
        left.into_iter().map(|letter| letter.id).collect::<Vec<_>>(),
        [id(1), id(3)]
    );
}

pub async fn what_died_of_the_delivery_limit_can_be_replayed(harness: impl Harness) {
    let queue = harness
        .open(Options {
            delivery_limit: 1,
            ..options()
        })
        .await;
    publish(&queue, [1]).await;
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    for _ in 0..2 {
        drop(next(&mut consumer).await);
    }
    dead_letters_become(&queue, 1).await;

    assert_eq!(queue.replay(&Filter::default()).await.unwrap(), [id(1)]);
    let delivery = next(&mut consumer).await;
    assert!(delivery.message.request().unwrap().requeued_at.is_some());
    ack(delivery).await;
}

pub async fn what_cannot_be_understood_is_kept_and_replayed_as_it_was(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let mut nameless = foreign("unused");
    nameless.id = None;
    let strange = [foreign("of-tomorrow"), nameless];
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    for message in &strange {
        harness.put(message.clone()).await;
        let delivery = next(&mut consumer).await;
        delivery
            .dead_letter(&because(Reason::Undecodable))
            .await
            .unwrap();
    }

    let letters = dead_letters_become(&queue, 2).await;
    for (letter, message) in letters.iter().zip(&strange) {
        assert_eq!(letter.message, *message);
        assert_eq!(letter.id, DeadLetterId::of(message));
        assert_eq!(letter.request(), None);
        assert_eq!(letter.cause.reason, Reason::Undecodable);
        let replayed = queue.replay(&of(&letter.id)).await.unwrap();
        assert_eq!(replayed, std::slice::from_ref(&letter.id));
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.message, *message);
        ack(delivery).await;
    }
    dead_letters_become(&queue, 0).await;
}

pub async fn discarded_dead_letters_are_gone_for_good(harness: impl Harness) {
    let queue = harness.open(options()).await;
    make_dead(&queue, 0..3, &refused()).await;
    dead_letters_become(&queue, 3).await;
    assert_eq!(queue.discard(&of(&id(1))).await.unwrap(), [id(1)]);
    assert!(queue.discard(&of(&id(1))).await.unwrap().is_empty());
    dead_letters_become(&queue, 2).await;
    assert_eq!(
        queue.discard(&Filter::default()).await.unwrap(),
        [id(0), id(2)]
    );
    dead_letters_become(&queue, 0).await;
    become_empty(&queue).await;
}

/// The same event may come twice, and both may die.
pub async fn an_id_stands_for_all_dead_letters_that_have_it(harness: impl Harness) {
    let queue = harness.open(options()).await;
    make_dead(&queue, [1, 1, 2], &refused()).await;
    dead_letters_become(&queue, 3).await;
    assert_eq!(list(&queue, &of(&id(1))).await.len(), 2);
    let replayed = queue.replay(&of(&id(1))).await.unwrap();
    assert!(replayed.iter().all(|replayed| *replayed == id(1)));
    dead_letters_become(&queue, 1).await;
    let mut consumer = queue.consume(Lane::Redirects, 10).await.unwrap();
    assert_eq!(take(&mut consumer, 2).await, [1, 1]);
    // It would be sent ahead what is to become a dead letter.
    consumer.stop().await;

    make_dead(&queue, [2], &refused()).await;
    dead_letters_become(&queue, 2).await;
    queue.discard(&of(&id(2))).await.unwrap();
    dead_letters_become(&queue, 0).await;
}

pub async fn a_lost_delivery_makes_no_dead_letter(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let leaving = harness.open(options()).await;
    publish(&queue, [1]).await;
    let mut consumer = leaving.consume(Lane::Redirects, 1).await.unwrap();
    let held = next(&mut consumer).await;
    leaving.close().await;

    assert!(held.dead_letter(&refused()).await.is_err());
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    let again = next(&mut consumer).await;
    assert_eq!(number(&again), 1);
    assert!(list(&queue, &Filter::default()).await.is_empty());
    ack(again).await;
}

pub async fn the_queue_tells_how_it_stands(harness: impl Harness) {
    let queue = harness.open(options()).await;
    stats_become(&queue, "empty", |s| {
        s.ready == 0 && s.unacked.unwrap_or(0) == 0 && s.consumers == 0 && s.dead == 0
    })
    .await;
    make_dead(&queue, [0], &refused()).await;
    publish(&queue, 1..4).await;
    stats_become(&queue, "3 ready, 1 dead", |s| s.ready == 3 && s.dead == 1).await;

    let elsewhere = harness.open(options()).await;
    let mut consumer = elsewhere.consume(Lane::Redirects, 2).await.unwrap();
    let held = (next(&mut consumer).await, next(&mut consumer).await);
    stats_become(&queue, "2 unacknowledged", |s| {
        s.ready == 1 && s.unacked.is_none_or(|unacked| unacked == 2) && s.consumers >= 1
    })
    .await;
    drop(held);
}
