//! Requests to Twilio where only a proxy leads out.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use tests::{PATIENCE, Process, Surroundings};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

/// A redirector that asks Twilio itself for its workspace.
async fn redirector(folder: &Path, more: &[(&str, String)]) -> Process {
    let mut settings = [
        ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000001"),
        ("TWILIO_AUTH_TOKEN", "0123456789abcdef0123456789abcdef"),
        (
            "FORWARD_CALL_TASK_QUEUE_SID",
            "WQ00000000000000000000000000000001",
        ),
        ("FORWARD_TO_NUMBER", "+14155550100"),
        ("SWEEP_INTERVAL", "1s"),
    ]
    .map(|(variable, value)| (variable, value.to_owned()))
    .to_vec();
    settings.extend_from_slice(more);
    Process::start("redirector", folder, &settings, Surroundings::default()).await
}

#[tokio::test]
async fn twilio_is_reached_through_the_proxy_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = proxy.local_addr().unwrap();
    let variable = ("HTTPS_PROXY", format!("http://user:hush@{address}"));
    let redirector = redirector(folder.path(), &[variable]).await;

    let (stream, _) = tokio::time::timeout(PATIENCE, proxy.accept())
        .await
        .unwrap()
        .unwrap();
    let mut asked = BufReader::new(stream).lines();
    let asked_for = asked.next_line().await.unwrap().unwrap();
    assert_eq!(asked_for, "CONNECT taskrouter.twilio.com:443 HTTP/1.1");
    let mut authorized = false;
    while let Some(header) = asked
        .next_line()
        .await
        .unwrap()
        .filter(|line| !line.is_empty())
    {
        authorized |= header.eq_ignore_ascii_case("proxy-authorization: Basic dXNlcjpodXNo");
    }
    assert!(authorized, "by its user and password");

    let log = redirector.logged("through a proxy").await;
    let line = log.lines().find(|line| line.contains("through a proxy"));
    assert!(
        line.unwrap().contains(&format!("http://{address}")),
        "{log}"
    );
    assert!(!log.contains("hush"), "{log}");
}

#[tokio::test]
async fn hosts_that_need_no_proxy_are_reached_without() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = proxy.local_addr().unwrap();
    let variables = [
        ("HTTPS_PROXY", format!("http://{address}")),
        ("NO_PROXY", "example.com,.twilio.com".to_owned()),
    ];
    let mut redirector = redirector(folder.path(), &variables).await;
    redirector.signal("TERM");
    assert!(redirector.ended().await.success());
    assert!(!redirector.log().contains("through a proxy"));
}
