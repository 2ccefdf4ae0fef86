//! Clients that begin a request and don't go on: they hold nobody up.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use simulator::PlaceCall;
use tests::{Backend, PATIENCE, Process, Stack, StackOptions, Surroundings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const SENDERS: usize = 3000;
const ADMIN_SENDERS: usize = 300;
const CALLERS: usize = 200;

const HALF_A_HEAD: &[u8] = b"POST /taskrouter/events HTTP/1.1\r\nHost: x\r\nX-Long: ";
const HEAD: &[u8] = b"POST /taskrouter/events HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn thousands_who_send_slowly_take_no_callers_place() {
    may_open_many_files();
    for open_files in [None, Some(1024)] {
        let options = StackOptions {
            surroundings: Surroundings {
                open_files,
                ..Surroundings::default()
            },
            ..StackOptions::default()
        };
        let mut stack = Stack::start(Backend::Sqlite, options).await;
        let simulator = stack.simulator.clone();
        let ingest = &stack.ingests[0];
        let mut senders = JoinSet::new();
        let connected = Arc::new(Semaphore::new(0));
        let public = stack.ingest_addresses()[0];
        let addresses = std::iter::repeat_n(public, SENDERS);
        let admin_addresses = std::iter::repeat_n(ingest.admin(), ADMIN_SENDERS);
        for (nth, address) in addresses.chain(admin_addresses).enumerate() {
            senders.spawn(send_slowly(address, nth, Arc::clone(&connected)));
        }
        // The rest of them knock.
        let crowd = u32::try_from(SENDERS / 2).unwrap();
        let crowd = tokio::time::timeout(PATIENCE, connected.acquire_many(crowd)).await;
        crowd.unwrap().unwrap().forget();

        let silent = PlaceCall::into_placeholder().withholding_events();
        let callers = simulator.place_calls(CALLERS, &silent).unwrap();
        let callbacks = callers
            .iter()
            .map(|caller| simulator.entered_callback(caller.task_sid).unwrap())
            .collect();
        for delivery in simulator.deliver(callbacks, 4).await {
            assert_eq!(delivery.outcome.status(), Some(204), "{delivery:?}");
        }
        stack
            .expect("everybody redirected", |state| state.waiting_count() == 0)
            .await;

        let (status, _) = ingest.get("/livez").await.unwrap();
        assert_eq!(status, 200);
        for listener in ["public", "admin"] {
            let deadline = Instant::now() + PATIENCE;
            while cut(ingest, listener, "shed").await == 0.0 {
                assert!(Instant::now() < deadline, "nobody made room: {listener}");
            }
        }
        ingest.logged("no room for more connections").await;
        assert!(stack.ingests.remove(0).stop().await.success());
    }
}

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
        let before = cut(ingest, "public", reason).await;
        let mut stream = TcpStream::connect(public).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answer = String::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer));
        ended.await.unwrap().unwrap();
        assert!(answer.starts_with(wanted), "{reason}: {answer}");
        let after = cut(ingest, "public", reason).await;
        assert_eq!(after - before, 1.0, "{reason}");
    }
}

/// How many connections ingest has ended, for a reason.
async fn cut(ingest: &Process, listener: &str, reason: &str) -> f64 {
    let name = "overflow_http_connections_cut_total";
    let labels = format!(r#"{{listener="{listener}",reason="{reason}"}}"#);
    ingest.metric(&format!("{name}{labels}")).await
}

/// Begins a request and sends a byte a second, or nothing more; over again for as long as somebody
/// listens.
async fn send_slowly(address: SocketAddr, nth: usize, connected: Arc<Semaphore>) {
    let (beginning, goes_on) = match nth % 3 {
        0 => (HALF_A_HEAD, false),
        1 => (HALF_A_HEAD, true),
        _ => (HEAD, true),
    };
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        let Ok(mut stream) = TcpStream::connect(address).await else {
            continue;
        };
        let mut sent = stream.write_all(beginning).await;
        connected.add_permits(1);
        let mut byte = [0];
        while sent.is_ok() {
            tokio::select! {
                _ = stream.read(&mut byte) => break,
                _ = second.tick() => if goes_on {
                    sent = stream.write_all(b"x").await;
                }
            }
        }
    }
}

fn may_open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, most).unwrap();
}
