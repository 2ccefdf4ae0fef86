//! Clients that begin a request and don't go on. Thousands of them are in the table of faults.

#![allow(clippy::unwrap_used, reason = "tests")]

use tests::senders::{HALF_A_HEAD, HEAD};
use tests::{Backend, PATIENCE, Stack, StackOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn who_is_late_with_a_head_or_a_body_or_idle_for_too_long_is_cut() {
    let options = StackOptions {
        redirectors: 0,
        settings: [
            "HTTP_HEADER_TIMEOUT",
            "HTTP_BODY_TIMEOUT",
            "HTTP_IDLE_TIMEOUT",
        ]
        .map(|variable| (variable, "2s".to_owned()))
        .into(),
        ..StackOptions::default()
    };
    let stack = Stack::start(Backend::Sqlite, options).await;
    let ingest = &stack.ingests[0];
    let public = stack.ingest_addresses()[0];

    for (reason, sent, wanted) in [
        ("header", HALF_A_HEAD, ""),
        ("header", b"", ""),
        ("body", HEAD, ""),
        // A whole request first, which is answered.
        (
            "idle",
            b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
            "HTTP/1.1 404",
        ),
    ] {
        let before = ingest.cut("public", reason).await;
        let mut stream = TcpStream::connect(public).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answer = String::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer));
        ended.await.unwrap().unwrap();
        assert!(answer.starts_with(wanted), "{reason}: {answer}");
        let after = ingest.cut("public", reason).await;
        assert_eq!(after - before, 1.0, "{reason}");
    }
}
