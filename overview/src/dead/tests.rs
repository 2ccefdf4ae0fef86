//! What is told of the dead letters of a queue in memory.

use queue::memory::{Broker, MemoryQueue};
use queue::{Cause, Content, Lane, Message, Options, Publish, Reason};
use requests::{message, outcome};

use super::*;

#[allow(dead_code, reason = "for the queue's own tests")]
#[path = "../../../queue/tests/conformance/requests.rs"]
mod requests;

const SECOND: Duration = Duration::from_secs(1);

fn queue() -> MemoryQueue {
    Broker::default().open("here", Options::default())
}

async fn die(queue: &MemoryQueue, lane: Lane, message: Message) {
    queue.publish(&message).await.unwrap();
    let mut consumer = queue.consume(lane, 1).await.unwrap();
    let cause = Cause {
        reason: Reason::Refused,
        attempts: 1,
        last_error: None,
    };
    let delivery = consumer.next().await.unwrap();
    delivery.dead_letter(&cause).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_counts_none_while_somebody_looks_is_looked_at_all_the_same() {
    let queue = queue();
    die(&queue, Lane::Redirects, message(1)).await;
    let mut letters = Letters::default();
    let looked = letters.look(&queue, 0, Timestamp::now()).await;
    assert_eq!((looked.count, looked.shown.len()), (1, 1));
    tokio::time::sleep(CHANGED).await;
    let looked = letters.look(&queue, 0, Timestamp::now()).await;
    assert_eq!((looked.count, looked.shown.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn they_are_looked_at_again_now_and_then_and_sooner_if_their_count_is_another() {
    let queue = queue();
    let mut letters = Letters::default();
    let mut count = async |dead| letters.look(&queue, dead, Timestamp::now()).await.count;
    assert_eq!(count(0).await, 0);
    die(&queue, Lane::Redirects, message(1)).await;
    assert_eq!(count(1).await, 0, "not at once");
    tokio::time::sleep(CHANGED).await;
    assert_eq!(count(1).await, 1);
    // One is replayed and another dies: their count is the same.
    die(&queue, Lane::Redirects, message(2)).await;
    tokio::time::sleep(UNCHANGED - SECOND).await;
    assert_eq!(count(1).await, 1);
    tokio::time::sleep(SECOND).await;
    assert_eq!(count(1).await, 2);
}

#[tokio::test(start_paused = true)]
async fn of_very_many_the_newest_are_known_to_be_new_by_those_that_died_before() {
    let queue = queue();
    let all = LOOKED_AT + 2;
    for number in 0..all {
        let number = u32::try_from(number).unwrap();
        die(&queue, Lane::Redirects, message(number)).await;
    }
    let (all, now) = (all as u64, Timestamp::now());
    let looked = Letters::default().look(&queue, all, now).await;
    assert_eq!((looked.count, looked.within_the_hour), (all, all));
    assert_eq!(looked.shown.len(), SHOWN);
    let later = now + LATELY + SECOND;
    let looked = Letters::default().look(&queue, all, later).await;
    assert_eq!((looked.count, looked.within_the_hour), (all, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_to_whoever_is_told_of_callers_is_no_call() {
    let queue = queue();
    let Content::Outcome(outcome) = outcome(1) else {
        unreachable!()
    };
    let message = Message {
        content: Content::Notify(outcome),
        traceparent: None,
    };
    die(&queue, Lane::Notifications, message).await;
    let looked = Letters::default().look(&queue, 1, Timestamp::now()).await;
    assert_eq!((looked.count, looked.within_the_hour), (1, 0));
}
