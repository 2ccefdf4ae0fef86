//! Requests vanish from the queue, under load.

use tests::faults::{run, vanished};

#[tokio::test(flavor = "multi_thread")]
async fn callers_whose_requests_the_queue_took_for_poison_are_found_by_the_sweep() {
    run(&vanished::TAKEN_FOR_POISON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_whose_requests_a_stranger_took_are_found_by_the_sweep() {
    run(&vanished::EATEN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_whose_requests_were_deleted_with_the_queue_are_found_by_the_sweep() {
    run(&vanished::QUEUE_DELETED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_whose_requests_were_deleted_with_the_file_are_found_by_the_sweep() {
    run(&vanished::FILE_DELETED).await;
}
