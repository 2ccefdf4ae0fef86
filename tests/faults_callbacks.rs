//! Callbacks come twice, late, or never, under load.

use tests::faults::{callbacks, run, twice};

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_twice_at_once_redirects_once() {
    run(&twice::TWICE_AT_ONCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_twice_at_once_redirects_once_on_the_embedded_queue() {
    run(&twice::TWICE_AT_ONCE_EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_repeated_after_seconds_redirects_once() {
    run(&twice::TWICE_AFTER_SECONDS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_delivered_again_after_an_hour_redirects_nobody_again() {
    run(&twice::TWICE_AFTER_AN_HOUR).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_by_both_ways_redirects_once() {
    run(&twice::BY_BOTH_WAYS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_by_both_ways_at_once_redirects_once() {
    run(&twice::BY_BOTH_WAYS_SLOWLY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_by_both_ways_at_once_redirects_once_on_the_embedded_queue() {
    run(&twice::BY_BOTH_WAYS_SLOWLY_EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_whose_callbacks_met_no_ingest_are_found_by_the_sweep() {
    run(&callbacks::INGESTS_DOWN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_redirector_sweeps_when_the_one_that_did_is_killed() {
    run(&callbacks::LOST_AND_SWEEPER_KILLED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_whose_tasks_ran_out_are_rescued() {
    run(&callbacks::TASKS_EXPIRED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_whose_tasks_fell_off_their_workflow_are_rescued() {
    run(&callbacks::WORKFLOW_TIMED_OUT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_whose_tasks_ended_untold_are_found_by_the_sweep() {
    run(&callbacks::ENDS_UNTOLD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_whose_tasks_fell_off_their_workflow_untold_are_found_by_the_sweep() {
    run(&callbacks::TIMED_OUT_UNTOLD).await;
}
