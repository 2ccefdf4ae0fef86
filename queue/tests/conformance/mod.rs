//! What every backend must do, as stories over a [`Harness`]. A backend's test file says
//!
//! ```ignore
//! #[macro_use]
//! mod conformance;
//! conformance_tests!(MyHarness);
//! ```
//!
//! and each story becomes a test of its own.

pub mod dead_letters;
pub mod delivery;
pub mod intents;
pub mod lanes;
pub mod locks;
pub mod publishing;
pub mod reports;
mod requests;
pub mod told;

use std::sync::Arc;
use std::time::Duration;

use queue::{Consumer, Delivery, Filter, Options, Queue, QueueError, RawMessage, Stats};

pub use requests::{message, number, outcome, redirected};

/// Gives a story access to the backend. One harness is one queue that nobody else uses.
pub trait Harness: Send + Sync + Sized {
    /// Whether a message that is released counts as delivered, like one whose consumer died.
    fn releases_count() -> bool {
        false
    }

    /// Whether consumers of several processes share the work. Else one process at a time consumes,
    /// and the others stand by.
    const PROCESSES_SHARE: bool = true;

    /// A queue of this story's own, empty.
    fn fresh() -> impl Future<Output = Self> + Send;

    /// A handle on it, each time as a process of its own would open it. A story gives the same
    /// options each time; the harness replaces `prefix`, and what else its backend needs.
    fn open(&self, options: Options) -> impl Future<Output = Arc<dyn Queue>> + Send;

    /// Puts a message on the queue as a foreign publisher would, durably.
    fn put(&self, message: RawMessage) -> impl Future<Output = ()> + Send;

    /// Puts an unreadable entry into the log of intents.
    fn spoil_intents(&self) -> impl Future<Output = ()> + Send;

    /// Deletes all entries of the log of intents, or the log itself.
    fn lose_intents(&self) -> impl Future<Output = ()> + Send;
}

/// Makes each story a test on the harness `$harness`.
#[macro_export]
macro_rules! conformance_tests {
    ($harness:ty) => {
        conformance_tests! { $harness;
            delivery: [
                a_published_message_is_delivered_and_gone_after_the_ack,
                a_consumer_that_comes_later_gets_what_waits,
                first_in_is_first_out,
                the_trace_goes_with_the_message,
                a_released_message_comes_again_flagged_in_its_place,
                a_release_counts_only_where_the_backend_cannot_tell,
                a_dropped_delivery_comes_again,
                an_ack_that_is_dropped_leaves_the_message_done_or_released,
                waiting_for_a_delivery_can_be_given_up_without_losing_one,
                the_prefetch_bounds_what_is_out,
                consumers_share_and_none_gets_what_another_has,
                a_consumer_can_come_and_go_at_any_time,
                a_stopped_consumer_takes_no_more_but_keeps_what_it_has,
                a_process_that_leaves_gives_its_deliveries_back,
                a_handle_that_is_dropped_with_all_it_has_gives_its_deliveries_back,
                a_message_that_kills_its_consumers_becomes_a_dead_letter_by_itself,
                a_message_that_is_dropped_again_and_again_becomes_a_dead_letter_by_itself,
                a_message_over_which_a_consumer_panicked_comes_last_and_says_so,
                panics_are_counted_by_the_message_and_not_by_its_deliveries,
                a_lost_delivery_is_not_published_again,
                what_cannot_be_understood_is_delivered_as_it_is,
            ]
            publishing: [
                two_thousand_publishes_at_once_reach_three_consumers_once_each,
                publishes_that_are_given_up_leave_the_queue_usable,
                what_was_published_is_there_after_a_restart,
                a_full_queue_refuses_and_takes_again_once_there_is_room,
                a_closed_queue_says_so_and_does_not_hang,
            ]
            dead_letters: [
                a_dead_letter_keeps_the_message_and_the_cause,
                listing_takes_nothing_and_goes_from_old_to_new,
                dead_letters_are_chosen_by_id_reason_and_age,
                a_replay_puts_the_request_back_and_marks_it,
                a_replay_of_all_leaves_none_and_a_second_one_finds_none,
                a_replay_leaves_the_others_where_they_are,
                what_died_of_the_delivery_limit_can_be_replayed,
                what_cannot_be_understood_is_kept_and_replayed_as_it_was,
                discarded_dead_letters_are_gone_for_good,
                an_id_stands_for_all_dead_letters_that_have_it,
                a_lost_delivery_makes_no_dead_letter,
                the_queue_tells_how_it_stands,
            ]
            intents: [
                an_append_returns_once_the_reader_was_told_of_it,
                every_reader_is_told_the_same_in_the_same_order,
                appends_at_once_are_each_found_by_their_own_id,
                what_others_append_is_read_without_an_append_of_ones_own,
                a_new_reader_is_told_the_past_before_anything_that_follows,
                what_was_appended_outlives_its_writer,
                a_log_made_anew_under_its_readers_is_a_gap,
                an_entry_that_cannot_be_read_is_a_gap,
                appends_that_are_given_up_leave_the_log_usable,
                a_closed_queue_takes_no_intents_and_does_not_hang,
            ]
            lanes: [
                what_waits_in_one_lane_does_not_hold_up_another,
                a_lane_is_full_by_itself,
                the_figures_are_about_requests,
                outcomes_go_to_one_process_at_a_time_and_to_the_next_when_it_dies,
                outcomes_go_to_one_consumer_of_a_process_at_a_time,
                what_is_for_later_comes_later_among_the_outcomes,
                what_is_for_later_outlives_a_restart,
                a_consumer_that_panicked_over_it_leaves_it_in_its_lane,
                what_came_later_and_kills_its_consumers_becomes_a_dead_letter,
                a_dead_letter_returns_to_its_lane,
            ]
            told: [
                everybody_is_told_the_past_and_then_what_follows,
                what_was_told_outlives_a_restart,
                many_redirects_are_told_at_once,
                waiting_for_what_is_told_can_be_given_up_without_missing_any,
                requests_and_notifications_are_told_to_nobody,
                a_closed_queue_tells_nothing_and_does_not_hang,
            ]
            reports: [
                every_watcher_hears_every_process_again_and_again,
                a_process_is_asked_only_while_somebody_watches,
                a_process_that_leaves_says_a_last_word,
                waiting_for_a_report_can_be_given_up,
                a_closed_queue_says_nothing_and_hears_nothing,
            ]
            locks: [
                a_lock_has_one_holder_within_a_process,
                a_lock_has_one_holder_among_processes,
                locks_of_other_names_are_others,
                a_holder_that_leaves_gives_its_locks_back,
                a_lock_can_be_dropped_outside_the_runtime,
                an_attempt_at_a_lock_that_is_given_up_does_not_keep_it,
                of_many_who_try_at_once_one_gets_the_lock,
            ]
        }
    };
    ($harness:ty; $($module:ident: [$($story:ident,)*])*) => {$(
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    use $crate::conformance::Harness as _;
                    $crate::conformance::$module::$story(<$harness>::fresh().await).await;
                }
            )*
        }
    )*};
}

/// Far beyond what anything here takes, also on a busy machine: a story that waits this long has
/// failed.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Options under which nothing happens by itself within a story.
pub fn options() -> Options {
    Options {
        publish_timeout: PATIENCE,
        answer_timeout: Some(PATIENCE),
        ..Options::default()
    }
}

/// A message that this version can't understand.
pub fn foreign(id: &str) -> RawMessage {
    RawMessage {
        id: Some(id.to_owned()),
        kind: Some("redirect.v9".to_owned()),
        body: vec![0, 0xff, b'{', b'"', 0x80],
        traceparent: None,
        panics: 0,
    }
}

/// Publishes the messages made from `numbers`, one after the other.
pub async fn publish(queue: &Arc<dyn Queue>, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        queue.publish(&message(number)).await.unwrap();
    }
}

/// The next delivery.
pub async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    tokio::time::timeout(PATIENCE, consumer.next())
        .await
        .expect("a delivery comes")
        .unwrap()
}

/// Acknowledges the delivery.
pub async fn ack(delivery: Delivery) {
    delivery.ack().await.unwrap();
}

/// Takes and acknowledges `count` deliveries, and tells which requests they were.
pub async fn take(consumer: &mut Box<dyn Consumer>, count: u32) -> Vec<u32> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        let delivery = next(consumer).await;
        numbers.push(number(&delivery));
        ack(delivery).await;
    }
    numbers
}

/// Ends a process that holds a delivery, without settling or dropping the delivery.
pub async fn vanish(queue: Arc<dyn Queue>, consumer: Box<dyn Consumer>, delivery: Delivery) {
    std::mem::forget(delivery);
    std::mem::forget(consumer);
    queue.close().await;
}

/// Checks that no delivery comes for a while.
pub async fn nothing_comes(consumer: &mut Box<dyn Consumer>) {
    let waited = tokio::time::timeout(Duration::from_millis(400), consumer.next()).await;
    if let Ok(delivery) = waited {
        panic!(
            "nothing was to come, but {:?} did",
            delivery.unwrap().message
        );
    }
}

/// Asks until there is an answer. An answer takes a few seconds at most, or it is an error; a busy broker
/// may need longer. For questions that change nothing.
pub async fn answered<T>(ask: impl AsyncFn() -> Result<T, QueueError>) -> T {
    let asked = tokio::time::timeout(PATIENCE, async {
        loop {
            match ask().await {
                Err(QueueError::Unavailable(_) | QueueError::Busy(_)) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                answer => return answer.unwrap(),
            }
        }
    });
    asked.await.expect("an answer")
}

/// The dead letters that match.
pub async fn list(queue: &Arc<dyn Queue>, filter: &Filter) -> Vec<queue::DeadLetter> {
    answered(async || queue.list(filter).await).await
}

/// Waits until `holds` is true of the stats: brokers count a little late.
pub async fn stats_become(queue: &Arc<dyn Queue>, what: &str, holds: impl Fn(&Stats) -> bool) {
    let mut last = None;
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let stats = answered(async || queue.stats().await).await;
            if holds(&stats) {
                return;
            }
            last = Some(stats);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    if waited.await.is_err() {
        panic!("never {what}: {last:?}");
    }
}

/// Waits until no message is left, delivered or not.
pub async fn become_empty(queue: &Arc<dyn Queue>) {
    stats_become(queue, "empty", |s| {
        s.ready == 0 && s.unacked.unwrap_or(0) == 0
    })
    .await;
}

/// Waits until that many dead letters are there.
pub async fn dead_letters_become(queue: &Arc<dyn Queue>, count: usize) -> Vec<queue::DeadLetter> {
    stats_become(queue, "that many dead letters", |s| s.dead == count as u64).await;
    let letters = list(queue, &Filter::default()).await;
    assert_eq!(letters.len(), count);
    letters
}
