//! Processes of ours end under load, in order and otherwise.

use tests::faults::processes;
use tests::faults::run;

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_that_is_killed_loses_nothing_it_answered_for() {
    run(&processes::INGEST_KILLED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_that_is_killed_loses_nothing_of_the_embedded_queue() {
    run(&processes::INGEST_KILLED_EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_take_over_from_a_redirector_that_is_killed() {
    run(&processes::REDIRECTOR_KILLED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_take_over_from_a_redirector_that_is_killed_on_the_embedded_queue() {
    run(&processes::REDIRECTOR_KILLED_EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_redirectors_that_were_all_killed() {
    run(&processes::REDIRECTORS_KILLED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_in_the_embedded_queue_for_redirectors_that_were_all_killed() {
    run(&processes::REDIRECTORS_KILLED_EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirector_killed_between_twilios_yes_and_the_ack_redirects_nobody_again() {
    run(&processes::KILLED_BEFORE_THE_ACK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirector_killed_before_the_embedded_ack_redirects_nobody_again() {
    run(&processes::KILLED_BEFORE_THE_ACK_EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_loses_nothing() {
    run(&processes::ROLLING_RESTART).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_loses_nothing_of_the_embedded_queue() {
    run(&processes::ROLLING_RESTART_EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_redirector_at_once() {
    run(&processes::SECOND_SIGNAL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_the_redirects_under_way() {
    run(&processes::STOPPED_WHILE_SLOW).await;
}
