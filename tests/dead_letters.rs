//! An operator before very many dead letters.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use futures::future::join_all;
use queue::{Cause, Lane, Reason};
use tests::{Backend, PATIENCE, Stack, StackOptions, binary};

#[allow(dead_code, reason = "for the queue's own tests")]
#[path = "../queue/tests/conformance/requests.rs"]
mod requests;
use requests::message;

/// More than `list` shows, and than are asked for at a time.
const COUNT: u32 = 1000;

/// A queue with so many dead letters.
async fn with_dead_letters(backend: Backend, count: u32) -> Stack {
    let options = StackOptions {
        ingests: 0,
        redirectors: 0,
        settings: vec![("QUEUE_MAX_LENGTH", "300".to_owned())],
        ..StackOptions::default()
    };
    let stack = match backend {
        Backend::Sqlite => Stack::start(backend, options).await,
        Backend::Amqp(_) => {
            let settings = Vec::new();
            Stack::start(
                backend,
                StackOptions {
                    settings,
                    ..options
                },
            )
            .await
        }
    };
    let queue = stack.queue().await;
    let cause = Cause {
        reason: Reason::Refused,
        attempts: 1,
        last_error: None,
    };
    let mut consumer = queue.consume(Lane::Redirects, 100).await.unwrap();
    for first in (0..count).step_by(100) {
        let messages: Vec<_> = (first..first + 100).map(message).collect();
        for published in join_all(messages.iter().map(|message| queue.publish(message))).await {
            published.unwrap();
        }
        let mut deliveries = Vec::new();
        for _ in 0..100 {
            deliveries.push(consumer.next().await.unwrap());
        }
        let buried = deliveries.into_iter().map(|held| held.dead_letter(&cause));
        for buried in join_all(buried).await {
            buried.unwrap();
        }
    }
    drop(consumer);
    queue.close().await;
    stack
}

fn said(output: &Output) -> [String; 2] {
    [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_a_limit_and_all_can_be_discarded() {
    for backend in Backend::all() {
        let stack = with_dead_letters(backend, COUNT).await;
        let [listed, more] = said(&stack.run("overflow", &["dead-letters", "list"]));
        assert_eq!(listed.lines().count(), 101, "{listed}");
        assert!(more.contains("900 more"), "{more}");
        let first = message(0).content.id();
        assert!(listed.contains(&first), "{listed}");
        let shown = stack.run("overflow", &["dead-letters", "show", &first]);
        assert!(said(&shown)[0].contains(&first), "{shown:?}");
        let show = ["dead-letters", "--json", "show", &first];
        let [shown, _] = said(&stack.run("overflow", &show));
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["id"], first, "one is no list: {shown}");
        for line in listed.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        // The filter, not the queue, is why nothing is shown.
        for filter in [["--older-than", "1h"], ["--reason", "expired"]] {
            let list = [&["dead-letters", "list"], &filter[..]].concat();
            let [listed, _] = said(&stack.run("overflow", &list));
            let none = format!("none of the {COUNT} dead letters in ");
            assert!(listed.starts_with(&none), "{listed}");
            assert!(listed.ends_with(" match\n"), "{listed}");
        }
        // Nobody is there to be asked.
        let asked = stack.run("overflow", &["dead-letters", "discard", "--all"]);
        assert_eq!(asked.status.code(), Some(1));
        assert!(said(&asked)[1].contains("pass --yes"), "{asked:?}");
        let nowhere = ["dead-letters", "list", "--queue", "sqlite:nowhere.db"];
        assert!(said(&stack.run("overflow", &nowhere))[1].contains("nowhere.db"));
        let discard = ["dead-letters", "discard", "--all", "--yes"];
        let discarded = stack.run("overflow", &discard);
        assert!(said(&discarded)[0].ends_with("\n1000 discarded\n"));
        let [listed, _] = said(&stack.run("overflow", &["dead-letters", "list"]));
        assert!(listed.starts_with("no dead letters"), "{listed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_before_a_failure_is_told() {
    let stack = with_dead_letters(Backend::Sqlite, COUNT).await;
    let replayed = stack.run("overflow", &["dead-letters", "replay", "--all"]);
    let [told, error] = said(&replayed);
    assert_eq!(replayed.status.code(), Some(1), "{error}");
    assert!(error.contains("it is full"), "{error}");
    assert!(told.ends_with("\n300 replayed\n"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_look_at_the_same_time_wait_for_each_other() {
    let stack = with_dead_letters(Backend::Amqp(rabbitmq::Node::shared()), COUNT).await;
    let list = || stack.run("overflow", &["dead-letters", "list"]);
    let listed = std::thread::scope(|scope| {
        let lists: Vec<_> = (0..4).map(|_| scope.spawn(list)).collect();
        lists
            .into_iter()
            .map(|list| list.join().unwrap())
            .collect::<Vec<_>>()
    });
    for listed in &listed {
        assert!(listed.status.success(), "{listed:?}");
        assert_eq!(said(listed)[0].lines().count(), 101, "{listed:?}");
    }
}

/// Whether the process is ready for SIGINT.
fn heeds_interrupts(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & 0b10 != 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_command_ends_soon_with_its_own_code() {
    let node = rabbitmq::Node::start();
    node.freeze();
    let mut command = Command::new(binary("overflow"))
        .args(["dead-letters", "list", "--json"])
        .env_clear()
        .env("QUEUE_URL", node.url())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !heeds_interrupts(command.id()) {
        assert!(Instant::now() < deadline, "it takes no notice");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = command.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    let ended = tokio::task::spawn_blocking(move || command.wait().unwrap());
    let ended = tokio::time::timeout(PATIENCE, ended)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.code(), Some(130));
    node.resume();
}
