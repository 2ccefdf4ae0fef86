//! The files of the embedded queue and of the spool: deleted under us, or somebody else's.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use queue::sqlite::SqliteQueue;
use queue::{Lane, Options, Publish, Queue};
use tests::{Backend, Process, Stack, StackOptions};

#[allow(dead_code, reason = "for the queue's own tests")]
#[path = "../queue/tests/conformance/requests.rs"]
mod requests;
use requests::outcome;

/// Waits until a process is ready, or not, and tells what it says then.
async fn readiness(process: &Process, wanted: u16) -> String {
    process.readiness(|status, _| status == wanted).await
}

fn errors(process: &Process) -> usize {
    let log = process.log();
    log.lines()
        .filter(|line| line.contains("store fails"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_promised_in_a_file_that_was_deleted_until_it_is_put_back() {
    let stack = Stack::start(Backend::Sqlite, StackOptions::default()).await;
    let (file, elsewhere) = (
        stack.folder().join("queue.db"),
        stack.folder().join("elsewhere.db"),
    );
    assert_eq!(stack.callback().await, Some(204));
    std::fs::rename(&file, &elsewhere).unwrap();
    assert_eq!(stack.callback().await, Some(503));
    // Not even another queue is ours.
    std::fs::copy(&elsewhere, &file).unwrap();
    assert_eq!(stack.callback().await, Some(503));
    for process in stack.ingests.iter().chain(&stack.redirectors) {
        let said = readiness(process, 503).await;
        assert!(said.contains("queue.db was deleted or replaced"), "{said}");
        assert_eq!(errors(process), 1, "{}", process.log());
    }
    std::fs::rename(&elsewhere, &file).unwrap();
    for process in stack.ingests.iter().chain(&stack.redirectors) {
        readiness(process, 200).await;
    }
    assert_eq!(stack.callback().await, Some(204));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_log_of_the_file_is_noticed_as_well() {
    let stack = Stack::start(Backend::Sqlite, StackOptions::default()).await;
    std::fs::remove_file(stack.folder().join("queue.db-wal")).unwrap();
    assert_eq!(stack.callback().await, Some(503));
    readiness(&stack.redirectors[0], 503).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_spool_is_no_place_for_callbacks_and_is_said_to_be_gone() {
    let node = rabbitmq::Node::start();
    let options = StackOptions {
        redirectors: 0,
        ..StackOptions::default()
    };
    let stack = Stack::start_at(node.url(), tempfile::tempdir().unwrap(), options).await;
    let ingest = &stack.ingests[0];
    let spool: &Path = &stack.folder().join("spool-0.db");
    std::fs::remove_file(spool).unwrap();
    assert_eq!(stack.callback().await, Some(204), "the queue took it");
    ingest.logged("store fails").await;
    let said = readiness(ingest, 200).await;
    assert!(
        said.contains("spool-0.db was deleted or replaced"),
        "{said}"
    );
    node.kill();
    assert_eq!(stack.callback().await, Some(503));
    readiness(ingest, 503).await;
}

/// An ingest that can't reach its broker has taken one callback, and is stopped.
async fn spooled() -> (Stack, std::path::PathBuf) {
    let node = rabbitmq::Node::start();
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("overflow-spool.db");
    let options = StackOptions {
        redirectors: 0,
        settings: vec![("SPOOL", spool.display().to_string())],
        ..StackOptions::default()
    };
    let url = node.url();
    node.kill();
    let mut stack = Stack::start_at(url, folder, options).await;
    assert_eq!(stack.callback().await, Some(204));
    assert!(stack.ingests.remove(0).stop().await.success());
    assert_eq!(messages(&spool), 1);
    (stack, spool)
}

fn messages(file: &Path) -> u32 {
    let file = rusqlite::Connection::open(file).unwrap();
    file.query_row("SELECT sum(messages) FROM lanes", [], |row| row.get(0))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_hands_on_requests_without_waiting_for_outcomes() {
    let node = rabbitmq::Node::start();
    node.ctl(&["set_policy", "full", "outcome$", r#"{"max-length":10}"#]);
    node.kill();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spool-0.db");
    let spool = SqliteQueue::open(&file, Options::default()).await.unwrap();
    for number in 0..100 {
        spool.publish(&outcome(number).into()).await.unwrap();
    }
    spool.close().await;
    let options = StackOptions {
        redirectors: 0,
        ..StackOptions::default()
    };
    let stack = Stack::start_at(node.url(), folder, options).await;
    assert_eq!(stack.callback().await, Some(204));
    node.restart();
    let queue = stack.queue().await;
    let mut requests = queue.consume(Lane::Redirects, 1).await.unwrap();
    requests.next().await.unwrap().ack().await.unwrap();

    let mut missing: BTreeSet<_> = (0..100).map(|number| outcome(number).id()).collect();
    assert!(messages(&file) > 50);
    let mut outcomes = queue.consume(Lane::Outcomes, 5).await.unwrap();
    while !missing.is_empty() {
        let delivery = outcomes.next().await.unwrap();
        missing.remove(&delivery.message.content().unwrap().id());
        delivery.ack().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_leaves_the_spool_of_its_folder_and_the_broker_as_they_were() {
    let (stack, spool) = spooled().await;
    let node = rabbitmq::Node::start();
    let demo = stack.run(
        "overflow",
        &["demo", "--once", "--fast", "--queue", &node.url()],
    );
    assert!(demo.status.success(), "{demo:?}");
    assert_eq!(messages(&spool), 1);
    for what in ["list_queues", "list_exchanges"] {
        let there = node.ctl(&[what, "name"]);
        assert!(!there.contains("overflow"), "{there}");
    }

    let file = format!("sqlite:{}", spool.display());
    let refused = stack.run("overflow", &["demo", "--once", "--queue", &file]);
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_belongs_to_its_queue_until_it_is_empty() {
    let (stack, spool) = spooled().await;
    let elsewhere = rabbitmq::Node::start();
    let url = elsewhere.url();
    for other in [&["--queue-prefix", "staging"][..], &["--queue", &url]] {
        let public_url = ["--public-url", "https://overflow.example.com"];
        let refused = stack.run("ingest", &[&public_url, other].concat());
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.contains("overflow-spool.db holds requests for the queue"),
            "{said}"
        );
    }
    assert_eq!(messages(&spool), 1);

    // Emptied by hand: any queue may have it.
    let file = rusqlite::Connection::open(&spool).unwrap();
    file.execute("DELETE FROM messages", []).unwrap();
    drop(file);
    let settings = stack.ingest_settings(0, &url);
    let folder = stack.folder();
    let ingest = Process::start("ingest", folder, &settings, Default::default()).await;
    readiness(&ingest, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn to_look_makes_nothing_and_says_where_there_is_nothing() {
    let options = || StackOptions {
        ingests: 0,
        redirectors: 0,
        ..StackOptions::default()
    };
    let stack = Stack::start(Backend::Sqlite, options()).await;
    let file = stack.folder().join("queue.db");
    let node = rabbitmq::Node::start();
    let on_broker = Stack::start_at(node.url(), tempfile::tempdir().unwrap(), options()).await;
    let look = |stack: &Stack, named: &str| {
        for action in [&["list"][..], &["show", "EV1"], &["replay", "--all"]] {
            let looked = stack.run("overflow", &[&["dead-letters"], action].concat());
            let said = String::from_utf8_lossy(&looked.stderr);
            assert_eq!(looked.status.code(), Some(1), "{said}");
            assert!(said.contains("there is no queue"), "{said}");
            assert!(said.contains(named), "{said}");
        }
        stack.run("overflow", &["doctor"]);
    };
    look(&stack, file.to_str().unwrap());
    assert!(!file.exists());
    std::fs::write(&file, "").unwrap();
    look(&stack, file.to_str().unwrap());
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 0);
    look(&on_broker, ".redirect");
    assert!(!node.ctl(&["list_queues", "name"]).contains("test-"));

    std::fs::remove_file(&file).unwrap();
    stack.queue().await.close().await;
    let listed = ["dead-letters", "--queue", "sqlite:queue.db", "list"];
    let listed = stack.run("overflow", &listed);
    let said = String::from_utf8_lossy(&listed.stdout);
    let wanted = format!("no dead letters in sqlite:{}\n", file.display());
    assert_eq!(said, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_has_all_the_time_that_a_publish_is_given() {
    let options = StackOptions {
        redirectors: 0,
        settings: vec![("PUBLISH_TIMEOUT", "13s".to_owned())],
        ..StackOptions::default()
    };
    let stack = Stack::start(Backend::Sqlite, options).await;
    // With a client that is as patient.
    stack.simulator.set_callback(Some(&stack.callback_urls[0]));
    let holder = rusqlite::Connection::open(stack.folder().join("queue.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let freed = async {
        // Longer than the three seconds that the queue had for itself, shorter than SQLite waits.
        tokio::time::sleep(Duration::from_secs(4)).await;
        holder.execute_batch("COMMIT").unwrap();
    };
    let (answer, ()) = tokio::join!(stack.callback(), freed);
    assert_eq!(answer, Some(204));
}
