//! A stop loses nothing that was begun.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use rabbitmq::Node;
use simulator::PlaceCall;
use tests::{PATIENCE, Stack, StackOptions};

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_whose_sender_has_left_is_handed_over_before_the_end() {
    let node = Node::start();
    let options = StackOptions {
        redirectors: 0,
        settings: vec![
            ("SPOOL", "off".to_owned()),
            ("PUBLISH_TIMEOUT", "13s".to_owned()),
            ("INGEST_STOP_TIMEOUT", "60s".to_owned()),
        ],
        ..StackOptions::default()
    };
    let mut stack = Stack::start_at(node.url(), tempfile::tempdir().unwrap(), options).await;
    let impatient = format!("{}#rc=0&rt=300", stack.callback_urls[0]);
    stack.simulator.set_callback(Some(&impatient));
    node.freeze();
    let silent = PlaceCall::into_placeholder().withholding_events();
    let caller = stack.simulator.place_call(silent).unwrap();
    let callback = stack.simulator.entered_callback(caller.task_sid).unwrap();
    let delivered = stack.simulator.deliver(vec![callback], 1).await;
    assert_eq!(delivered[0].outcome.status(), None, "{delivered:?}");

    let mut ingest = stack.ingests.remove(0);
    ingest.signal("TERM");
    let deadline = Instant::now() + PATIENCE;
    while !ingest.log().contains("stopping") {
        assert!(Instant::now() < deadline, "{}", ingest.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    node.resume();
    assert!(ingest.ended().await.success());
    let log = ingest.log();
    assert!(!log.contains("not durable"), "{log}");
    let queue = stack.queue().await;
    assert_eq!(queue.stats().await.unwrap().ready, 1, "{log}");
}
