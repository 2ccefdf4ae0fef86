//! What our processes run in isn't as it should be, under load.

use tests::faults::{conditions, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ahead_gives_nobody_up() {
    run(&conditions::CLOCK_AHEAD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ahead_gives_nobody_up_on_the_embedded_queue() {
    run(&conditions::CLOCK_AHEAD_EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_that_nobody_reads_hold_nothing_up() {
    run(&conditions::LOG_UNREAD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_that_nobody_reads_hold_nothing_up_on_the_embedded_queue() {
    run(&conditions::LOG_UNREAD_EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_who_send_slowly_take_no_callers_place() {
    run(&conditions::SLOW_SENDERS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_who_send_slowly_take_no_callers_place_on_the_embedded_queue() {
    run(&conditions::SLOW_SENDERS_EMBEDDED).await;
}
