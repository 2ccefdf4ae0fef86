//! The disk is full, or a file is gone, under load.

use tests::faults::disk;
use tests::faults::run;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_spool_loses_nothing_that_was_answered_for() {
    run(&disk::UNDER_THE_SPOOL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_embedded_queue_loses_nothing_that_was_answered_for() {
    run(&disk::UNDER_THE_EMBEDDED_QUEUE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spools_that_are_moved_away_lose_nothing_that_was_answered_for() {
    run(&disk::SPOOL_MOVED).await;
}
