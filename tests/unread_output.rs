//! What nobody reads holds nothing up. For the log, see the table of faults.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Stdio};
use std::time::Instant;

use simulator::PlaceCall;
use tests::{Backend, PATIENCE, Stack, StackOptions, binary, free_address};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_collector_of_traces_that_never_answers_holds_nothing_up() {
    // It takes connections, and that is all.
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", collector.local_addr().unwrap());
    let options = StackOptions {
        settings: vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
            ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
        ],
        ..StackOptions::default()
    };
    let mut stack = Stack::start(Backend::Sqlite, options).await;
    let caller = PlaceCall::into_placeholder();
    // More than the spans that wait to be exported may be.
    for _ in 0..20 {
        stack.simulator.place_calls(50, &caller).unwrap();
        stack
            .expect("everybody redirected", |state| state.waiting_count() == 0)
            .await;
    }
    assert!(stack.redirectors.remove(0).stop().await.success());
    assert!(stack.ingests.remove(0).stop().await.success());
}

#[tokio::test]
async fn a_story_that_nobody_reads_keeps_no_demonstration_from_its_end() {
    let listen = free_address();
    let mut demo = tokio::process::Command::new(binary("overflow"))
        .args(["demo", "--fast"])
        .env_clear()
        .env("SIMULATOR_LISTEN", listen.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    // A line for each, of which a pipe takes some hundreds.
    let mut waiting = 3000;
    while waiting > 0 {
        let call = Command::new(binary("overflow"))
            .args(["call", "--count", "300"])
            .env_clear()
            .env("SIMULATOR_URL", format!("http://{listen}"))
            .output()
            .unwrap();
        match call.status.success() {
            true => waiting -= 300,
            // It isn't up yet.
            false => assert!(Instant::now() < deadline, "{call:?}"),
        }
    }
    let id = demo.id().unwrap().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, demo.wait()).await;
    assert!(ended.unwrap().unwrap().success());
}
