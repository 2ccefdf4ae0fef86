//! Passwords and tokens that are rotated while we run, or refused for a while: nobody is restarted.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::{Duration, Instant};

use rabbitmq::Node;
use tests::{Backend, PATIENCE, Process, Stack, StackOptions};

/// Gives us a user of our own on the broker, with that password.
fn set_password(node: &Node, password: &str) {
    let users = node.ctl(&["list_users"]);
    if users.contains("ours") {
        node.ctl(&["change_password", "ours", password]);
    } else {
        node.ctl(&["add_user", "ours", password]);
        node.ctl(&["set_permissions", "ours", ".*", ".*", ".*"]);
    }
}

fn write_url(node: &Node, password: &str, file: &Path) {
    let url = format!("amqp://ours:{password}@{}/%2f\n", node.address());
    std::fs::write(file, url).unwrap();
}

fn options(file: &Path) -> StackOptions {
    StackOptions {
        settings: vec![
            ("QUEUE_URL", String::new()),
            ("QUEUE_URL_FILE", file.display().to_string()),
        ],
        ..StackOptions::default()
    }
}

/// Waits until a process says this of its readiness.
async fn says(process: &Process, wanted: &str) {
    process.readiness(|_, said| said.contains(wanted)).await;
}

async fn everybody_is_redirected(stack: &Stack) {
    stack
        .expect("everybody redirected", |state| state.waiting_count() == 0)
        .await;
}

const REFUSED: &str = "refuses the user name or password";

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_password_is_read_again_and_callbacks_are_spooled_until_then() {
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue-url");
    set_password(&node, "first");
    write_url(&node, "first", &file);
    let stack = Stack::start_at(node.url(), folder, options(&file)).await;
    assert_eq!(stack.callback().await, Some(204));
    everybody_is_redirected(&stack).await;

    set_password(&node, "second");
    node.ctl(&["close_all_connections", "rotated"]);
    for process in stack.ingests.iter().chain(&stack.redirectors) {
        says(process, REFUSED).await;
        process.logged("not let in by the broker").await;
    }
    assert_eq!(stack.callback().await, Some(204));
    write_url(&node, "second", &file);
    everybody_is_redirected(&stack).await;
    for process in stack.ingests.iter().chain(&stack.redirectors) {
        says(process, "ready").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_lets_nobody_in_at_the_start_is_waited_for() {
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue-url");
    write_url(&node, "first", &file);
    let stack = Stack::start_at(node.url(), folder, options(&file)).await;
    assert_eq!(stack.callback().await, Some(204));
    for process in stack.ingests.iter().chain(&stack.redirectors) {
        says(process, REFUSED).await;
    }

    // Nothing stands in for the queue here.
    let alone = stack.run(
        "ingest",
        &[
            "--spool",
            "off",
            "--public-url",
            "https://overflow.example.com",
        ],
    );
    let said = String::from_utf8_lossy(&alone.stderr);
    assert_eq!(alone.status.code(), Some(1), "{said}");
    assert!(said.contains(REFUSED), "{said}");

    set_password(&node, "first");
    everybody_is_redirected(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_auth_token_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "00000000000000000000000000000000\n").unwrap();
    let options = StackOptions {
        settings: vec![
            ("TWILIO_AUTH_TOKEN", String::new()),
            ("TWILIO_AUTH_TOKEN_FILE", file.display().to_string()),
        ],
        ..StackOptions::default()
    };
    let stack = Stack::start(Backend::Sqlite, options).await;
    assert_eq!(stack.callback().await, Some(403));
    let token = stack.simulator.auth_token();
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while stack.callback().await != Some(204) {
        assert!(Instant::now() < deadline, "the token was not read again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let before = stack.simulator.journal().callers().count();
    stack
        .expect("somebody redirected", |state| {
            state.waiting_count() < before
        })
        .await;
}
