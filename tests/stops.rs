//! A stop loses nothing that was begun.

#![allow(clippy::unwrap_used, reason = "tests")]

use rabbitmq::Node;
use tests::{Stack, StackOptions};

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
    assert_eq!(stack.callback().await, None);

    let mut ingest = stack.ingests.remove(0);
    ingest.signal("TERM");
    ingest.logged("stopping").await;
    node.resume();
    assert!(ingest.ended().await.success());
    let log = ingest.log();
    assert!(!log.contains("not durable"), "{log}");
    let queue = stack.queue().await;
    assert_eq!(queue.stats().await.unwrap().ready, 1, "{log}");
}
