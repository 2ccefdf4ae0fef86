//! Twilio's API fails under load.

use tests::faults::{late, run, twilio};

#[tokio::test(flavor = "multi_thread")]
async fn internal_errors_are_outlasted() {
    run(&twilio::INTERNAL_ERRORS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_held_back() {
    run(&twilio::TOO_MANY_REQUESTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_waited_for() {
    run(&twilio::RETRY_AFTER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_connections_are_outlasted() {
    run(&twilio::REFUSED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_twilio_redirects_nobody_twice() {
    run(&twilio::SILENT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_redirects_nobody_twice() {
    run(&twilio::ANSWERS_LOST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_never_sent_redirects_nobody_twice() {
    run(&twilio::ANSWERS_NEVER_SENT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_that_become_right_again_cost_nobody_their_redirect() {
    run(&twilio::UNAUTHORIZED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_answers_are_waited_for() {
    run(&twilio::SLOW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_404_leaves_nobody_on_hold() {
    run(&twilio::NOT_FOUND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_redirected_while_taskrouter_refuses() {
    run(&twilio::TASKROUTER_REFUSES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sick_calls_hold_nobody_else_back() {
    run(&twilio::SICK_CALLS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sick_calls_hold_nobody_else_back_on_the_embedded_queue() {
    run(&twilio::SICK_CALLS_EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_is_late_redirects_nobody_twice() {
    run(&late::UPDATES_LATE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_is_made_after_a_reset_redirects_nobody_twice() {
    run(&late::RESET_AFTER_READ).await;
}
