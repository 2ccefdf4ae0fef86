//! The broker fails, or the way to it, under load.

use tests::faults::broker;
use tests::faults::run;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_lost_when_the_broker_is_killed_and_started_again() {
    run(&broker::KILLED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_lost_when_the_broker_freezes() {
    run(&broker::FROZEN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_lost_when_the_broker_is_short_of_memory() {
    run(&broker::ALARM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_survives_a_cut_from_the_broker() {
    run(&broker::CUT_FROM_INGEST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_survives_a_half_open_connection_to_the_broker() {
    run(&broker::HALF_OPEN_FROM_INGEST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirectors_survive_a_cut_from_the_broker() {
    run(&broker::CUT_FROM_REDIRECTORS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirectors_survive_a_half_open_connection_to_the_broker() {
    run(&broker::HALF_OPEN_FROM_REDIRECTORS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_lost_when_the_broker_is_bounced_during_an_outage_of_twilios() {
    run(&broker::BOUNCED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_for_a_while_loses_nobody() {
    run(&broker::LOGIN_REFUSED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_drops_packets_loses_nobody() {
    run(&broker::DEAD_ADDRESS).await;
}
